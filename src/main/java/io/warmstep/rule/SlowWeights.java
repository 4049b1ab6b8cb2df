package io.warmstep.rule;

import io.warmstep.check.Arguments;

/**
 * Weights that follow the parameters from afar: after every {@code period}-th step the parameters
 * move towards them, {@code p = p + weight * (s - p)}, and they become what the parameters are
 * then.
 *
 * @param slot the name of a slot with a value for each element, which has them
 * @param period a number of steps, at least 1
 * @param weight of them in what both become, in [0, 1)
 */
public record SlowWeights(String slot, long period, double weight) {
  /**
   * Checks.
   *
   * @param slot the name of a slot with a value for each element, which has them
   * @param period a number of steps, at least 1
   * @param weight of them in what both become, in [0, 1)
   */
  public SlowWeights {
    Arguments.requireAtLeast("period", period, 1, "pass a number of steps");
    Arguments.require(weight >= 0 && weight < 1, "weight", weight, "in [0, 1)", "pass one");
  }
}
