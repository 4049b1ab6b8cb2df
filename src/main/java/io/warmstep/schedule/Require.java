package io.warmstep.schedule;

/** Checks of arguments, with messages that say what was given, what is allowed and what to do. */
final class Require {
  private Require() {}

  /** Returns {@code value} if it can be a learning rate: finite and not negative. */
  static double rate(String name, double value) {
    return check(
        value >= 0 && value < Double.POSITIVE_INFINITY,
        name,
        value,
        "a finite number of at least 0",
        "Pass a learning rate such as 1e-3.");
  }

  /** Returns {@code value} if it can multiply a learning rate: finite and not negative. */
  static double factor(String name, double value) {
    return check(
        value >= 0 && value < Double.POSITIVE_INFINITY,
        name,
        value,
        "a finite number of at least 0",
        "Pass the factor on the learning rate; 1 leaves the rate as it is.");
  }

  /** Returns {@code value} if it is in (0, 1]. */
  static double decay(String name, double value) {
    return check(
        value > 0 && value <= 1,
        name,
        value,
        "more than 0 and at most 1",
        "Pass a decay factor such as 0.95; 1 keeps the rate.");
  }

  /** Returns {@code value} if it is in (0, 1]. */
  static double startFactor(double value) {
    return check(
        value > 0 && value <= 1,
        "startFactor",
        value,
        "more than 0 and at most 1",
        "Pass the share of the full rate that the first step gets, such as 0.1.");
  }

  /** Returns {@code value} if it divides a rate without raising it: finite and at least 1. */
  static double divisor(String name, double value) {
    return check(
        value >= 1 && value < Double.POSITIVE_INFINITY,
        name,
        value,
        "a finite number of at least 1",
        "Pass how many times smaller the rate becomes, such as 25.");
  }

  /** Returns {@code value} if it is in [0, 1). */
  static double beta2(double value) {
    return check(
        value >= 0 && value < 1,
        "beta2",
        value,
        "at least 0 and less than 1",
        "Pass the optimizer's second beta, such as 0.999.");
  }

  /** Returns {@code minimum} if it is a learning rate not above {@code learningRate}. */
  static double minimum(double minimum, double learningRate) {
    return check(
        minimum >= 0 && minimum <= learningRate,
        "minimum",
        minimum,
        "at least 0 and at most the learning rate, " + learningRate,
        "Pass the rate to end with; 0 is the usual choice.");
  }

  /** Returns {@code value} if it can be the length of a stretch of steps: at least 1. */
  static long steps(String name, long value) {
    if (value < 1) {
      throw refusal(name, value, "at least 1", "Pass a number of optimizer steps (not of epochs).");
    }
    return value;
  }

  /** Returns {@code value} if it can be the length of a part that may be left out: at least 0. */
  static long stepsOrNone(String name, long value) {
    if (value < 0) {
      throw refusal(
          name, value, "at least 0", "Pass a number of optimizer steps; 0 leaves this part out.");
    }
    return value;
  }

  /** Returns {@code value} if it can count reports of a metric: at least 0. */
  static long reports(String name, long value) {
    if (value < 0) {
      throw refusal(name, value, "at least 0", "Pass a number of reports; 0 means none.");
    }
    return value;
  }

  /** Returns {@code step} if it can be the number of a step: at least 1. */
  static long step(long step) {
    if (step < 1) {
      throw refusal("step", step, "at least 1", "Steps are counted from 1: the first is step 1.");
    }
    return step;
  }

  /** Returns {@code value} if it is not null. */
  static <T> T present(String name, T value, String advice) {
    if (value == null) {
      throw new NullPointerException(name + " is null, but must be given. " + advice);
    }
    return value;
  }

  /** Returns {@code value} if {@code holds}. */
  static double check(boolean holds, String name, double value, String allowed, String advice) {
    if (!holds) {
      throw refusal(name, value, allowed, advice);
    }
    return value;
  }

  static IllegalArgumentException refusal(
      String name, Object value, String allowed, String advice) {
    return new IllegalArgumentException(
        name + " is " + value + ", but must be " + allowed + ". " + advice);
  }
}
