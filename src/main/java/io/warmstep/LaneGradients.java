package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.collective.LaneShare;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.Share;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * One worker's gradients until they are added to those of others: a sum for each of its lanes, in
 * the arithmetic type, allocated when it is first needed. Without a tree all go to one sum.
 */
final class LaneGradients implements AutoCloseable {
  private static final int CHUNK = 1 << 14;

  private final Device device;
  private final Shards shards;
  private final LaneTree tree; // null in the fast mode
  private final int rank;
  private final int firstLane;

  /** By lane of this worker's and parameter; null until needed. */
  private final Tensor[][] lanes;

  /** Micro-batches in each lane since the last step. */
  private final long[] counts;

  private final List<Tensor> allocations = new ArrayList<>();

  LaneGradients(Device device, Shards shards, LaneTree tree, int rank) {
    this.device = device;
    this.shards = shards;
    this.tree = tree;
    this.rank = rank;
    this.firstLane = tree == null ? 0 : tree.firstLane(rank);
    int count = tree == null ? 1 : tree.firstLane(rank + 1) - firstLane;
    this.lanes = new Tensor[count][];
    this.counts = new long[count];
  }

  /** How many micro-batches were added since the last step. */
  long count() {
    return Arrays.stream(counts).sum();
  }

  /** Refuses what would lose micro-batches. */
  void requireNone() {
    if (count() > 0) {
      throw new IllegalStateException(
          count()
              + " micro-batches were accumulated since the last step, and no checkpoint has them:"
              + " save right after a step");
    }
  }

  boolean hasOneLane() {
    return lanes.length == 1;
  }

  /** Adds the gradients as they are to the lane of a micro-batch. */
  void add(long microBatch) {
    int lane = tree == null ? 0 : tree.lane(microBatch) - firstLane;
    boolean isFirst = counts[lane] == 0;
    Tensor[] sums = lane(lane);
    for (int i = 0; i < sums.length; i++) {
      combine(sums[i], shards.parameter(i).gradients(), !isFirst);
    }
    counts[lane]++;
  }

  /** Forgets what was added. */
  void clear() {
    Arrays.fill(counts, 0);
  }

  private Tensor[] lane(int lane) {
    if (lanes[lane] == null) {
      Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
      for (int i = 0; i < shards.count(); i++) {
        Parameter parameter = shards.parameter(i);
        lengths.merge(parameter.gradients().type().arithmetic(), parameter.length(), Long::sum);
      }
      Map<ElementType, Tensor> whole = new EnumMap<>(ElementType.class);
      lengths.forEach(
          (type, length) -> {
            Tensor tensor = device.allocate(type, length);
            allocations.add(tensor);
            whole.put(type, tensor);
          });
      Map<ElementType, Long> used = new EnumMap<>(ElementType.class);
      Tensor[] sums = new Tensor[shards.count()];
      for (int i = 0; i < sums.length; i++) {
        long length = shards.parameter(i).length();
        ElementType type = shards.parameter(i).gradients().type().arithmetic();
        sums[i] = whole.get(type).slice(used.merge(type, length, Long::sum) - length, length);
      }
      lanes[lane] = sums;
    }
    return lanes[lane];
  }

  /** Overwrites a sum, or adds to it, through host arrays. */
  private static void combine(Tensor sum, Tensor term, boolean adds) {
    Storage arithmetic = Storage.of(sum.type());
    Storage storage = Storage.of(term.type());
    int chunk = (int) Math.min(CHUNK, sum.length());
    Object sums = arithmetic.newArray(chunk);
    Object terms = arithmetic.newArray(chunk);
    Object stored = storage == arithmetic ? terms : storage.newArray(chunk);
    for (long at = 0; at < sum.length(); at += chunk) {
      int n = (int) Math.min(chunk, sum.length() - at);
      term.read(at, stored, 0, n);
      if (stored != terms) {
        storage.load(stored, 0, terms, 0, n);
      }
      if (adds) {
        sum.read(at, sums, 0, n);
        add(sums, terms, n);
        sum.write(at, sums, 0, n);
      } else {
        sum.write(at, terms, 0, n);
      }
    }
  }

  private static void add(Object sums, Object terms, int n) {
    if (sums instanceof float[] floats) {
      float[] others = (float[]) terms;
      for (int i = 0; i < n; i++) {
        floats[i] += others[i];
      }
    } else {
      double[] doubles = (double[]) sums;
      double[] others = (double[]) terms;
      for (int i = 0; i < n; i++) {
        doubles[i] += others[i];
      }
    }
  }

  /**
   * Adds up what all workers have: afterwards this worker's shares of the gradients are the sums.
   *
   * @param isInPlace whether nobody has added anything: the gradients as they are count
   */
  void reduce(Collective collective, boolean isInPlace) {
    if (tree == null) {
      reduceFast(collective, isInPlace);
    } else {
      reduceByLanes(collective, isInPlace);
    }
  }

  private void reduceFast(Collective collective, boolean isInPlace) {
    if (!isInPlace) {
      for (int i = 0; i < shards.count(); i++) {
        Tensor gradients = shards.parameter(i).gradients();
        if (counts[0] == 0) {
          gradients.zero();
        } else {
          round(lanes[0][i], gradients);
        }
      }
    }
    List<Share> shares = new ArrayList<>();
    for (int i = 0; i < shards.count(); i++) {
      for (int worker = 0; worker < collective.size(); worker++) {
        Shard shard = shards.of(i, worker);
        if (shard.count() > 0) {
          Tensor gradients = shards.parameter(i).gradients();
          shares.add(new Share(gradients.slice(shard.from(), shard.count()), worker));
        }
      }
    }
    collective.reduceScatter(shares);
  }

  private static void round(Tensor sum, Tensor to) {
    if (sum.type() == to.type()) {
      to.copyFrom(sum);
      return;
    }
    Storage arithmetic = Storage.of(sum.type());
    Storage storage = Storage.of(to.type());
    int chunk = (int) Math.min(CHUNK, sum.length());
    Object sums = arithmetic.newArray(chunk);
    Object stored = storage.newArray(chunk);
    for (long at = 0; at < sum.length(); at += chunk) {
      int n = (int) Math.min(chunk, sum.length() - at);
      sum.read(at, sums, 0, n);
      storage.store(sums, 0, stored, 0, n);
      to.write(at, stored, 0, n);
    }
  }

  private void reduceByLanes(Collective collective, boolean isInPlace) {
    if (!isInPlace) {
      for (int lane = 0; lane < lanes.length; lane++) {
        if (counts[lane] == 0) { // counts as zeros, whoever has it
          Arrays.stream(lane(lane)).forEach(Tensor::zero);
        }
      }
      for (List<Integer> pair : tree.localAdditions(rank)) {
        Tensor[] to = lanes[pair.get(0) - firstLane];
        Tensor[] from = lanes[pair.get(1) - firstLane];
        for (int i = 0; i < to.length; i++) {
          combine(to[i], from[i], true);
        }
      }
    }
    List<LaneTree.Node> nodes = tree.nodes(rank);
    List<LaneShare> shares = new ArrayList<>();
    for (int i = 0; i < shards.count(); i++) {
      Tensor gradients = shards.parameter(i).gradients();
      for (int worker = 0; worker < collective.size(); worker++) {
        Shard shard = shards.of(i, worker);
        if (shard.count() == 0) {
          continue;
        }
        List<Tensor> sums = new ArrayList<>();
        for (LaneTree.Node node : nodes) {
          Tensor sum = isInPlace ? gradients : lanes[node.firstLane() - firstLane][i];
          sums.add(sum.slice(shard.from(), shard.count()));
        }
        Tensor target = gradients.slice(shard.from(), shard.count());
        shares.add(new LaneShare(target, worker, sums));
      }
    }
    collective.reduceScatter(tree, shares);
  }

  @Override
  public void close() {
    allocations.forEach(Tensor::close);
  }
}
