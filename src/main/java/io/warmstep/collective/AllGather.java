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
