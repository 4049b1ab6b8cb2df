package io.warmstep.collective;

import io.warmstep.check.Arguments;
import java.util.ArrayList;
import java.util.List;

/**
 * The order in which the lanes of a deterministic sum are added, and the assignment of lanes to
 * workers.
 *
 * <p>The micro-batches of a step are numbered from 0. Number j belongs to lane {@code j mod lanes},
 * and a lane adds its micro-batches in order. A binary tree adds the lanes: 0 and 1, 2 and 3, and
 * so on, then the sums of these pairs in the same way until one is left; one without a neighbour is
 * passed up as it is. So the bits of the sum depend only on the number of lanes: not on the number
 * of workers, which only decides where an addition happens, nor on the order of arrival.
 *
 * <p>A worker has consecutive lanes. If they form a whole subtree, it adds them itself and sends a
 * single sum; otherwise it sends the sums of the fewest subtrees that cover its lanes: for lanes 3,
 * 4 and 5, of eight lanes on three workers, the sums of 3, and of 4 with 5.
 *
 * @param lanes number of lanes, from the number of workers to 1024
 * @param workers how many there are
 */
public record LaneTree(int lanes, int workers) {
  /** Maximum number of lanes of a sum. */
  public static final int MAX_LANES = 1024;

  /**
   * A subtree that one worker sums.
   *
   * @param level 0 for one lane, 1 more for twice as many
   * @param index its index within the level, from 0
   */
  public record Node(int level, int index) {
    /**
     * The first lane under it.
     *
     * @return its number
     */
    public int firstLane() {
      return index << level;
    }

    private Node child(int side) {
      return new Node(level - 1, 2 * index + side);
    }
  }

  /** The addition of one sum to another; both are positions in a list. */
  record Addition(int to, int from) {}

  /**
   * Checks the numbers.
   *
   * @param lanes how many there are
   * @param workers how many there are
   * @throws IllegalArgumentException if there is no worker, or not a lane for each, or more than
   *     1024 lanes
   */
  public LaneTree {
    Arguments.requireAtLeast("workers", workers, 1, "pass the size of the collective");
    if (lanes < workers || lanes > MAX_LANES) {
      throw Arguments.refusal(
          "lanes",
          lanes,
          "from " + workers + ", the number of workers, to " + MAX_LANES,
          "pass the greatest number of workers that a run is ever to have, or a multiple of it");
    }
  }

  /**
   * The first lane of a worker. It has all lanes up to the first lane of the next worker.
   *
   * @param rank of the worker, or the number of workers for the end of the last worker's lanes
   * @return number of the lane
   */
  public int firstLane(int rank) {
    return (int) ((long) lanes * rank / workers);
  }

  /**
   * Which lane a micro-batch belongs to.
   *
   * @param microBatch its number in the step, from 0
   * @return number of the lane
   */
  public int lane(long microBatch) {
    return (int) (microBatch % lanes);
  }

  /**
   * Whether a micro-batch belongs to a worker.
   *
   * @param microBatch its number in the step, from 0
   * @param rank of the worker
   * @return true if its lane is
   */
  public boolean belongsTo(long microBatch, int rank) {
    int lane = lane(microBatch);
    return lane >= firstLane(rank) && lane < firstLane(rank + 1);
  }

  /**
   * Rejects a micro-batch of another worker.
   *
   * @param microBatch its number in the step, from 0
   * @param rank of the worker
   * @throws IllegalArgumentException if its lane does not belong to the worker
   */
  public void requireBelongsTo(long microBatch, int rank) {
    if (!belongsTo(microBatch, rank)) {
      throw Arguments.refusal(
          "microBatch",
          microBatch,
          "of one of the lanes "
              + firstLane(rank)
              + " to "
              + (firstLane(rank + 1) - 1)
              + " of "
              + lanes,
          "ask isMine(microBatch) first");
    }
  }

  /**
   * The subtrees whose sums a worker sends.
   *
   * @param rank of the worker
   * @return the fewest that cover its lanes, in the order of the lanes
   */
  public List<Node> nodes(int rank) {
    List<Node> nodes = new ArrayList<>();
    collect(root(), firstLane(rank), firstLane(rank + 1), nodes);
    return nodes;
  }

  private Node root() {
    return new Node(lanes == 1 ? 0 : 32 - Integer.numberOfLeadingZeros(lanes - 1), 0);
  }

  private int endLane(Node node) {
    return (int) Math.min(lanes, (long) (node.index + 1) << node.level);
  }

  private void collect(Node node, int from, int to, List<Node> found) {
    int first = node.firstLane();
    int end = endLane(node);
    if (first >= to || end <= from || first >= end) {
      return;
    }
    if (first >= from && end <= to) {
      found.add(node);
      return;
    }
    collect(node.child(0), from, to, found);
    collect(node.child(1), from, to, found);
  }

  /**
   * The additions that combine the sums of all workers' nodes in the first one.
   *
   * @return positions in the list of all nodes, worker after worker
   */
  List<Addition> additions() {
    List<Node> all = new ArrayList<>();
    for (int rank = 0; rank < workers; rank++) {
      all.addAll(nodes(rank));
    }
    List<Addition> additions = new ArrayList<>();
    add(root(), all, additions);
    return additions;
  }

  /**
   * The additions that combine a worker's lanes into its nodes.
   *
   * @param rank of the worker
   * @return pairs of lanes: the second is added to the first, in this order. A node's first lane
   *     finally holds the node's sum
   */
  public List<List<Integer>> localAdditions(int rank) {
    List<Node> leaves = new ArrayList<>();
    int first = firstLane(rank);
    for (int lane = first; lane < firstLane(rank + 1); lane++) {
      leaves.add(new Node(0, lane));
    }
    List<Addition> additions = new ArrayList<>();
    nodes(rank).forEach(node -> add(node, leaves, additions));
    return additions.stream()
        .map(addition -> List.of(addition.to + first, addition.from + first))
        .toList();
  }

  /** Sums a subtree; returns the position of its sum. */
  private int add(Node node, List<Node> present, List<Addition> additions) {
    int at = present.indexOf(node);
    if (at >= 0) {
      return at;
    }
    int left = add(node.child(0), present, additions);
    if (node.child(1).firstLane() < lanes) {
      int right = add(node.child(1), present, additions);
      additions.add(new Addition(left, right));
    }
    return left;
  }
}
