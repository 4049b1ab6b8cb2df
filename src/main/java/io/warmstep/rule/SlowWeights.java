package io.warmstep.rule;

import io.warmstep.check.Arguments;

/**
 * Slowly updated copies of the parameters: after every {@code period}-th step the parameters move
 * towards them, {@code p = p + weight * (s - p)}, and the slow weights take on the result.
 *
 * @param slot the name of the slot that holds them, with a value for each element
 * @param period a number of steps, at least 1
 * @param weight of the slow weights in the result, in [0, 1)
 */
public record SlowWeights(String slot, long period, double weight) {
  /**
   * Checks the values.
   *
   * @param slot the name of the slot that holds them, with a value for each element
   * @param period a number of steps, at least 1
   * @param weight of the slow weights in the result, in [0, 1)
   */
  public SlowWeights {
    Arguments.requireAtLeast("period", period, 1, "pass a number of steps");
    Arguments.require(weight >= 0 && weight < 1, "weight", weight, "in [0, 1)", "pass one");
  }
}
