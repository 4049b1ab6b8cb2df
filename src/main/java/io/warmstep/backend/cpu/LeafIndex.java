package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;

/** Tensors cut into leaves, which are numbered one tensor after the other. */
final class LeafIndex {
  private final int[] first; // of each tensor, and the count of all

  /**
   * Numbers leaves.
   *
   * @param lengths of the tensors, in elements
   */
  LeafIndex(long[] lengths) {
    first = new int[lengths.length + 1];
    for (int i = 0; i < lengths.length; i++) {
      first[i + 1] = Math.addExact(first[i], leaves(lengths[i]));
    }
  }

  /** How many leaves a tensor has. */
  static int leaves(long length) {
    return Math.toIntExact((length + StepPlan.LEAF - 1) / StepPlan.LEAF);
  }

  /** How many there are of all tensors. */
  int count() {
    return first[first.length - 1];
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
