package io.warmstep;

import io.warmstep.collective.LaneTree;
import java.util.List;

/**
 * The micro-batches of an optimizer that is not shared: {@link LaneSums} of one worker, joined by
 * {@link LaneTree}, so that their sum has the same bits as with any number of workers.
 */
final class Accumulation implements AutoCloseable {
  private final int lanes;
  private final int[] to;
  private final int[] from;
  private final boolean zeroesGradients;
  private LaneSums sums; // null until needed

  /** Whether there was ever a micro-batch, so that a step without one is a mistake. */
  private boolean isUsed;

  /**
   * Nothing is accumulated yet.
   *
   * @param lanes number of lanes
   * @param zeroesGradients whether gradients are set to zero where they are added
   */
  Accumulation(int lanes, boolean zeroesGradients) {
    this.lanes = lanes;
    this.zeroesGradients = zeroesGradients;
    List<List<Integer>> pairs = new LaneTree(lanes, 1).localAdditions(0);
    to = pairs.stream().mapToInt(pair -> pair.get(0)).toArray();
    from = pairs.stream().mapToInt(pair -> pair.get(1)).toArray();
  }

  long count() {
    return sums == null ? 0 : sums.count();
  }

  /** The divisor of a step's gradients: the number of micro-batches that they sum. */
  double divisor() {
    return Math.max(1, count());
  }

  private int nextLane() {
    return (int) (count() % lanes);
  }

  /**
   * Prepares the next micro-batch's lane.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void prepareNext(Device device, PreparedStep step) {
    if (sums == null) {
      sums = new LaneSums(device, step.parameters(), lanes, zeroesGradients);
    }
    sums.prepare(nextLane());
  }

  /** Adds the gradients as those of the next micro-batch. */
  void add() {
    isUsed = true;
    sums.add(nextLane());
  }

  /** Whether steps take the mean of micro-batches. */
  boolean isUsed() {
    return isUsed || lanes > 1;
  }

  /**
   * Rejects a step without gradients.
   *
   * @throws IllegalStateException if none were accumulated although this optimizer must
   */
  void requireReady() {
    if (count() == 0 && isUsed()) {
      throw new IllegalStateException(
          "no micro-batch was accumulated since the last step: call accumulate() after each"
              + " backward pass");
    }
  }

  /**
   * Prepares for a step with these micro-batches.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void prepareSum() {
    if (count() == 0) {
      return;
    }
    for (int i = 0; i < to.length; i++) {
      sums.prepareJoin(to[i], from[i]);
    }
    sums.prepareRounding();
  }

  /**
   * Sets the gradients to the sum of all micro-batches, if there are any. Repeating this changes
   * nothing.
   */
  void sumUp() {
    if (count() == 0) {
      return;
    }
    for (int i = 0; i < to.length; i++) {
      sums.join(to[i], from[i]);
    }
    sums.round();
  }

  /** Rejects an operation that would lose micro-batches. */
  void requireNone(String consequence) {
    if (sums != null) {
      sums.requireNone(consequence);
    }
  }

  /** Discards the micro-batches. */
  void clear() {
    if (sums != null) {
      sums.clear();
    }
  }

  /** Frees the sums, as when other gradients are to be added. */
  @Override
  public void close() {
    if (sums != null) {
      sums.close();
      sums = null;
    }
  }
}
