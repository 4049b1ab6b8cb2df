package io.warmstep.rule;

import io.warmstep.check.Arguments;

/** The checks that the rules' hyperparameters share. */
final class Hyperparameters {
  private Hyperparameters() {}

  static void requireWeightDecay(String rule, double value) {
    Arguments.requireNonNegative(rule + ": weightDecay", value, "pass 0 for none");
  }

  static void requireEps(String rule, double value) {
    Arguments.requireNonNegative(rule + ": eps", value, "pass a small number such as 1e-8");
  }

  /** For a maximum gradient norm that is part of a rule. */
  static void requireMaxGradNorm(String rule, double value) {
    Arguments.requireNonNegative(rule + ": maxGradNorm", value, "pass 0 for none");
  }

  /** For decay rates of running averages. */
  static void requireDecayRate(String rule, String name, double value) {
    require(
        value >= 0 && value < 1,
        rule,
        name,
        value,
        "in [0, 1)",
        "pass what a step keeps of the average, such as 0.9");
  }

  static void require(
      boolean isAllowed, String rule, String name, double value, String range, String advice) {
    Arguments.require(isAllowed, rule + ": " + name, value, range, advice);
  }
}
