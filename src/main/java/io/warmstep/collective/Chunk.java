package io.warmstep.collective;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Elements that travel in one bucket: parts of one or more tensors of one type.
 *
 * @param type of the tensors
 * @param pieces the parts, in order
 * @param length number of elements
 */
record Chunk(ElementType type, List<Piece> pieces, int length) {
  /**
   * A part of a tensor.
   *
   * @param share its position in the operation's list
   * @param at its first element in the tensor
   * @param count number of elements
   */
  record Piece(int share, long at, int count) {}

  /** A tensor of an operation's list, and its owner. */
  record Owned(Tensor tensor, int owner) {}

  /**
   * Cuts each worker's tensors into chunks.
   *
   * @param owned in the order of the operation's list
   * @param size number of workers
   * @param bytes maximum of a chunk, in the arithmetic type
   * @return chunks by worker
   */
  static List<List<Chunk>> cut(List<Owned> owned, int size, int bytes) {
    List<List<Chunk>> cut = new ArrayList<>();
    for (int owner = 0; owner < size; owner++) {
      cut.add(cutOf(owned, owner, bytes));
    }
    return cut;
  }

  private static List<Chunk> cutOf(List<Owned> owned, int owner, int bytes) {
    List<Chunk> chunks = new ArrayList<>();
    List<Piece> pieces = new ArrayList<>();
    ElementType type = null;
    int length = 0;
    for (int share = 0; share < owned.size(); share++) {
      Tensor tensor = owned.get(share).tensor();
      if (owned.get(share).owner() != owner) {
        continue;
      }
      int most = bytes / tensor.type().arithmetic().bytes();
      for (long at = 0; at < tensor.length(); ) {
        if (length > 0 && (type != tensor.type() || length == most)) {
          chunks.add(new Chunk(type, pieces, length));
          pieces = new ArrayList<>();
          length = 0;
        }
        type = tensor.type();
        int n = (int) Math.min(most - length, tensor.length() - at);
        pieces.add(new Piece(share, at, n));
        length += n;
        at += n;
      }
    }
    if (length > 0) {
      chunks.add(new Chunk(type, pieces, length));
    }
    return chunks;
  }

  /** A hash of types, lengths and owners. */
  static int hash(List<Owned> owned) {
    int hash = owned.size();
    for (Owned one : owned) {
      hash = 31 * hash + one.owner();
      hash = 31 * hash + one.tensor().type().toString().hashCode();
      hash = 31 * hash + Long.hashCode(one.tensor().length());
    }
    return hash;
  }
}
