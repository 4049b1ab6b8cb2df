package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;

/**
 * Tensors cut into leaves, which are numbered one tensor after the other, and the leaves into
 * chunks, which threads take in turn.
 */
final class LeafIndex {
  /** Fewer are not worth handing to another thread. Chunks are a multiple of it. */
  private static final int MIN_CHUNK = 4;

  /** Each chunk starts with a wait for memory. */
  private static final int MAX_CHUNK = 16;

  private static final int CHUNKS_PER_THREAD = 4;

  private final int[] first; // of each tensor, and the count of all
  private final int chunkLength;

  /**
   * Numbers leaves.
   *
   * @param lengths of the tensors, in elements
   * @param threads that take chunks
   */
  LeafIndex(long[] lengths, int threads) {
    first = new int[lengths.length + 1];
    for (int i = 0; i < lengths.length; i++) {
      first[i + 1] = Math.addExact(first[i], leaves(lengths[i]));
    }
    int share = threads == 1 ? MAX_CHUNK : count() / (threads * CHUNKS_PER_THREAD);
    int whole = share / MIN_CHUNK * MIN_CHUNK;
    chunkLength = Math.min(Math.max(whole, MIN_CHUNK), MAX_CHUNK);
  }

  /** How many leaves a tensor has. */
  static int leaves(long length) {
    return Math.toIntExact((length + StepPlan.LEAF - 1) / StepPlan.LEAF);
  }

  /** How many there are of all tensors. */
  int count() {
    return first[first.length - 1];
  }

  /** How many chunks there are. */
  int chunks() {
    return (count() + chunkLength - 1) / chunkLength;
  }

  /** Number of a chunk's first leaf. */
  int chunkStart(int chunk) {
    return chunk * chunkLength;
  }

  /** Number of the leaf behind a chunk's last. */
  int chunkEnd(int chunk) {
    return Math.min(count(), chunkStart(chunk) + chunkLength);
  }

  /** Number of a tensor's first leaf; of the one behind the last tensor, how many there are. */
  int first(int tensor) {
    return first[tensor];
  }

  /** The tensor that a leaf is of: the last one that starts at or before it, so no empty one. */
  int tensorOf(int leaf) {
    int low = 0;
    for (int high = first.length - 1; high - low > 1; ) {
      int middle = (low + high) >>> 1;
      if (first[middle] <= leaf) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
