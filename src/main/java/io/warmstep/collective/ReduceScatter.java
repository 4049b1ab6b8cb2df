package io.warmstep.collective;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.storage.Storage;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Each worker sends the sums of its nodes to the owner, chunk by chunk; the owner adds a chunk's
 * sums by the tree when all have arrived, so that nobody needs room for more than a chunk of each.
 */
final class ReduceScatter implements Operation {
  /** Maximum memory of a chunk's sums together. */
  private static final int MAX_MEMORY = 16 << 20;

  private final int kind;
  private final int layout;
  private final Elements elements;
  private final int rank;
  private final List<Target> targets;
  private final List<List<Chunk>> chunks;
  private final boolean keepsType;
  private final List<LaneTree.Addition> additions;

  /** Position of each worker's first node among all. */
  private final int[] firstNode;

  /** The current chunk's sums of all nodes, by arithmetic type. */
  private final Map<ElementType, Object[]> sums = new EnumMap<>(ElementType.class);

  private final int chunkBytes;

  /** Buckets sent to each worker: chunk by chunk, and in each node by node. */
  private final int[] sent;

  private final int[] received;

  /** The chunk that is being summed, among those that this worker owns. */
  private int current;

  /** Buckets that it still lacks. */
  private int missing;

  /** One worker's summands, and the destination of the sum. */
  private record Target(Tensor tensor, List<Tensor> nodes) {}

  private ReduceScatter(
      int kind,
      Elements elements,
      int rank,
      LaneTree tree,
      List<Chunk.Owned> owned,
      List<Target> targets) {
    this.kind = kind;
    this.keepsType = kind == Operations.REDUCE_SCATTER;
    this.elements = elements;
    this.rank = rank;
    this.targets = targets;
    int size = tree.workers();
    firstNode = new int[size + 1];
    for (int worker = 0; worker < size; worker++) {
      firstNode[worker + 1] = firstNode[worker] + tree.nodes(worker).size();
    }
    additions = tree.additions();
    chunkBytes = Math.min(elements.bytes(), (MAX_MEMORY / firstNode[size]) & -64);
    chunks = Chunk.cut(owned, size, chunkBytes);
    layout = 31 * Chunk.hash(owned) + tree.lanes();
    sent = new int[size];
    received = new int[size];
  }

  /** In the order of the workers, in the tensors' own type in transit. */
  static ReduceScatter fast(Elements elements, int rank, int size, List<Share> shares) {
    return new ReduceScatter(
        Operations.REDUCE_SCATTER,
        elements,
        rank,
        new LaneTree(size, size),
        shares.stream().map(share -> new Chunk.Owned(share.tensor(), share.owner())).toList(),
        shares.stream().map(share -> new Target(share.tensor(), List.of(share.tensor()))).toList());
  }

  static ReduceScatter byLanes(Elements elements, int rank, LaneTree tree, List<LaneShare> shares) {
    return new ReduceScatter(
        Operations.LANES,
        elements,
        rank,
        tree,
        shares.stream().map(share -> new Chunk.Owned(share.target(), share.owner())).toList(),
        shares.stream().map(share -> new Target(share.target(), share.nodes())).toList());
  }

  @Override
  public String name() {
    return Operations.name(kind);
  }

  @Override
  public int kind() {
    return kind;
  }

  @Override
  public int layout() {
    return layout;
  }

  private int nodes(int worker) {
    return firstNode[worker + 1] - firstNode[worker];
  }

  private ElementType onTheWay(Chunk chunk) {
    return keepsType ? chunk.type() : chunk.type().arithmetic();
  }

  @Override
  public boolean sendsTo(int peer) {
    return sent[peer] < chunks.get(peer).size() * nodes(rank);
  }

  @Override
  public void fill(int peer, ByteBuffer payload) {
    Chunk chunk = chunks.get(peer).get(sent[peer] / nodes(rank));
    int node = sent[peer]++ % nodes(rank);
    for (Chunk.Piece piece : chunk.pieces()) {
      Tensor tensor = targets.get(piece.share()).nodes().get(node);
      elements.put(tensor, piece.at(), piece.count(), onTheWay(chunk), payload);
    }
  }

  @Override
  public boolean expectsFrom(int peer) {
    return received[peer] < chunks.get(rank).size() * nodes(peer);
  }

  @Override
  public void start() {
    missing = firstNode[firstNode.length - 1] - nodes(rank);
    finishChunks();
  }

  @Override
  public boolean accept(int peer, ByteBuffer payload) {
    if (received[peer] / nodes(peer) != current) {
      return false;
    }
    Chunk chunk = chunks.get(rank).get(current);
    int node = received[peer]++ % nodes(peer);
    elements.get(payload, onTheWay(chunk), sums(chunk)[firstNode[peer] + node], 0, chunk.length());
    missing--;
    finishChunks();
    return true;
  }

  /** Room for the sums of a chunk's nodes. */
  private Object[] sums(Chunk chunk) {
    ElementType arithmetic = chunk.type().arithmetic();
    return sums.computeIfAbsent(
        arithmetic,
        type -> {
          List<Object> arrays = new ArrayList<>();
          for (int i = 0; i < firstNode[firstNode.length - 1]; i++) {
            arrays.add(Storage.of(type).newArray(chunkBytes / type.bytes()));
          }
          return arrays.toArray();
        });
  }

  private void finishChunks() {
    List<Chunk> own = chunks.get(rank);
    while (missing == 0 && current < own.size()) {
      Chunk chunk = own.get(current);
      Object[] all = sums(chunk);
      for (int node = 0; node < nodes(rank); node++) {
        int to = 0;
        for (Chunk.Piece piece : chunk.pieces()) {
          Tensor tensor = targets.get(piece.share()).nodes().get(node);
          elements.load(tensor, piece.at(), all[firstNode[rank] + node], to, piece.count());
          to += piece.count();
        }
      }
      for (LaneTree.Addition addition : additions) {
        Elements.add(all[addition.to()], all[addition.from()], chunk.length());
      }
      if (!keepsType) {
        Elements.startAtZero(all[0], chunk.length());
      }
      int from = 0;
      for (Chunk.Piece piece : chunk.pieces()) {
        Tensor tensor = targets.get(piece.share()).tensor();
        elements.store(all[0], from, tensor, piece.at(), piece.count());
        from += piece.count();
      }
      current++;
      missing = firstNode[firstNode.length - 1] - nodes(rank);
    }
  }
}
