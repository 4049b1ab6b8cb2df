package io.warmstep.schedule;

import io.warmstep.check.Arguments;

/** Checks of the ranges that schedules share, with advice on values out of range. */
final class Require {
  private Require() {}

  /** Checks a learning rate. */
  static void rate(String name, double value) {
    Arguments.requireNonNegative(name, value, "pass a learning rate such as 1e-3");
  }

  /** Checks a factor on a learning rate. */
  static void factor(String name, double value) {
    Arguments.requireNonNegative(name, value, "pass 1 to leave the learning rate as it is");
  }

  /** Checks a factor that is applied repeatedly to a learning rate. */
  static void decay(String name, double value) {
    Arguments.require(
        value > 0 && value <= 1,
        name,
        value,
        "in (0, 1]",
        "pass a decay factor such as 0.95, or 1 to keep the rate");
  }

  /** Checks the fraction of the full rate that a warm-up begins with. */
  static void startFactor(double value) {
    Arguments.require(
        value > 0 && value <= 1,
        "startFactor",
        value,
        "in (0, 1]",
        "pass the share of the full rate that the first step gets, such as 0.1");
  }

  /** Checks a divisor that does not raise a rate. */
  static void divisor(String name, double value) {
    Arguments.require(
        value >= 1 && value <= Double.MAX_VALUE,
        name,
        value,
        "finite and at least 1",
        "pass how many times smaller the rate becomes, such as 25");
  }

  /** Checks Adam's second beta. */
  static void beta2(double value) {
    Arguments.require(
        value >= 0 && value < 1,
        "beta2",
        value,
        "in [0, 1)",
        "pass the optimizer's second beta, such as 0.999");
  }

  /** Checks a final rate. */
  static void minimum(double minimum, double learningRate) {
    Arguments.require(
        minimum >= 0 && minimum <= learningRate,
        "minimum",
        minimum,
        "at least 0 and at most the learning rate, " + learningRate,
        "pass the rate to end with, such as 0");
  }

  /** Checks a number of steps. */
  static void steps(String name, long value) {
    Arguments.requireAtLeast(name, value, 1, "pass a number of optimizer steps, not of epochs");
  }

  /** Checks a number of steps that may be 0. */
  static void stepsOrNone(String name, long value) {
    Arguments.requireAtLeast(
        name, value, 0, "pass a number of optimizer steps, or 0 to leave this part out");
  }

  /** Checks a number of reports of a metric. */
  static void reports(String name, long value) {
    Arguments.requireAtLeast(name, value, 0, "pass a number of reports, or 0 for none");
  }

  /** Checks the number of a step. */
  static void step(long step) {
    Arguments.requireAtLeast("step", step, 1, "count steps from 1, as optimizers do");
  }
}
