package io.warmstep.collective;

import java.nio.ByteBuffer;
import java.util.List;

/** Each owner sends its tensors to everyone. */
final class AllGather implements Operation {
  private final Elements elements;
  private final int rank;
  private final List<Share> shares;
  private final List<List<Chunk>> chunks;
  private final int layout;
  private final int[] sent;
  private final int[] received;

  /** Number of elements of this worker's chunks that may be sent. */
  private long ready = Long.MAX_VALUE;

  /** For each of these chunks, the number of elements up to its end. */
  private final long[] ends;

  AllGather(Elements elements, int rank, int size, List<Share> shares) {
    this.elements = elements;
    this.rank = rank;
    this.shares = shares;
    List<Chunk.Owned> owned =
        shares.stream().map(share -> new Chunk.Owned(share.tensor(), share.owner())).toList();
    chunks = Chunk.cut(owned, size, elements.bytes());
    layout = Chunk.hash(owned);
    sent = new int[size];
    received = new int[size];
    ends = new long[chunks.get(rank).size()];
    long end = 0;
    for (int i = 0; i < ends.length; i++) {
      end += chunks.get(rank).get(i).length();
      ends[i] = end;
    }
  }

  /** Sets how many of this worker's elements may be sent; all unless called. */
  void ready(long elements) {
    ready = elements;
  }

  @Override
  public String name() {
    return Operations.name(kind());
  }

  @Override
  public int kind() {
    return Operations.ALL_GATHER;
  }

  @Override
  public int layout() {
    return layout;
  }

  @Override
  public void start() {}

  @Override
  public boolean sendsTo(int peer) {
    return sent[peer] < chunks.get(rank).size();
  }

  @Override
  public boolean canFill(int peer) {
    return ends[sent[peer]] <= ready;
  }

  @Override
  public void fill(int peer, ByteBuffer payload) {
    Chunk chunk = chunks.get(rank).get(sent[peer]++);
    for (Chunk.Piece piece : chunk.pieces()) {
      elements.put(
          shares.get(piece.share()).tensor(), piece.at(), piece.count(), chunk.type(), payload);
    }
  }

  @Override
  public boolean expectsFrom(int peer) {
    return received[peer] < chunks.get(peer).size();
  }

  @Override
  public boolean accept(int peer, ByteBuffer payload) {
    for (Chunk.Piece piece : chunks.get(peer).get(received[peer]++).pieces()) {
      elements.get(payload, shares.get(piece.share()).tensor(), piece.at(), piece.count());
    }
    return true;
  }
}
