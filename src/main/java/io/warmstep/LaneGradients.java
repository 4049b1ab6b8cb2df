package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.collective.LaneShare;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.Share;
import java.util.ArrayList;
import java.util.List;

/**
 * One worker's gradients until they are added to the other workers': a sum for each of its lanes,
 * in the arithmetic type, allocated when first needed. Without a tree all are added to one sum.
 */
final class LaneGradients implements AutoCloseable {
  private final Shards shards;
  private final LaneTree tree; // null in the fast mode
  private final int rank;
  private final int firstLane;
  private final int count;
  private final LaneSums sums;

  LaneGradients(Device device, Shards shards, LaneTree tree, int rank, boolean zeroesGradients) {
    this.shards = shards;
    this.tree = tree;
    this.rank = rank;
    this.firstLane = tree == null ? 0 : tree.firstLane(rank);
    this.count = tree == null ? 1 : tree.firstLane(rank + 1) - firstLane;
    this.sums = new LaneSums(device, shards.parameters(), count, zeroesGradients);
  }

  /** How many micro-batches were added since the last step. */
  long count() {
    return sums.count();
  }

  /** Rejects an operation that would lose micro-batches. */
  void requireNone(String consequence) {
    sums.requireNone(consequence);
  }

  boolean hasOneLane() {
    return count == 1;
  }

  /** Adds the current gradients to the lane of a micro-batch. */
  void add(long microBatch) {
    int lane = tree == null ? 0 : tree.lane(microBatch) - firstLane;
    sums.prepare(lane);
    sums.add(lane);
  }

  /** Discards the sums. */
  void clear() {
    sums.clear();
  }

  /**
   * Sums all workers' gradients: afterwards this worker's shares of the gradients are the sums.
   *
   * @param isInPlace whether nobody has added anything, so that the current gradients are used
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
      sums.prepareRounding();
      sums.round();
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

  private void reduceByLanes(Collective collective, boolean isInPlace) {
    for (List<Integer> pair : tree.localAdditions(rank)) {
      int to = pair.get(0) - firstLane;
      int from = pair.get(1) - firstLane;
      sums.prepareJoin(to, from);
      sums.join(to, from);
    }
    List<LaneTree.Node> nodes = tree.nodes(rank);
    if (!isInPlace) {
      nodes.forEach(node -> sums.complete(node.firstLane() - firstLane));
    }
    List<LaneShare> shares = new ArrayList<>();
    for (int i = 0; i < shards.count(); i++) {
      Tensor gradients = shards.parameter(i).gradients();
      List<Tensor> whole = new ArrayList<>();
      for (LaneTree.Node node : nodes) {
        whole.add(isInPlace ? gradients : sums.sum(node.firstLane() - firstLane, i));
      }
      for (int worker = 0; worker < collective.size(); worker++) {
        Shard shard = shards.of(i, worker);
        if (shard.count() == 0) {
          continue;
        }
        List<Tensor> parts =
            whole.stream().map(sum -> sum.slice(shard.from(), shard.count())).toList();
        Tensor target = gradients.slice(shard.from(), shard.count());
        shares.add(new LaneShare(target, worker, parts));
      }
    }
    collective.reduceScatter(tree, shares);
  }

  @Override
  public void close() {
    sums.close();
  }
}
