package io.warmstep.rule;

/** The checks that the rules' constructors share. */
final class Hyperparameters {
  private Hyperparameters() {}

  static void requireNonNegative(String rule, String name, double value) {
    require(value >= 0 && value <= Double.MAX_VALUE, rule, name, value, "finite and at least 0");
  }

  /** For decay rates of running averages. */
  static void requireBelowOne(String rule, String name, double value) {
    require(value >= 0 && value < 1, rule, name, value, "in [0, 1)");
  }

  static void require(boolean allowed, String rule, String name, double value, String range) {
    if (!allowed) {
      throw new IllegalArgumentException(
          rule + ": " + name + " is " + value + ", must be " + range);
    }
  }
}
