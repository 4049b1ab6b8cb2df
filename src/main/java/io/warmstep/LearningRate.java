package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;

/** The learning rate of an optimizer: a user's schedule, whose rates are checked, or constant. */
final class LearningRate {
  private final boolean isConstant;
  private Schedule schedule;

  /**
   * Creates a learning rate.
   *
   * @param schedule with only one rate if it is constant
   */
  LearningRate(Schedule schedule, boolean isConstant) {
    this.schedule = schedule;
    this.isConstant = isConstant;
  }

  Schedule schedule() {
    return schedule;
  }

  boolean isConstant() {
    return isConstant;
  }

  /** The rate if it is constant, otherwise 0. */
  double constant() {
    return isConstant ? schedule.rate(1) : 0;
  }

  /** Checks a constant rate. */
  static double require(double rate) {
    Arguments.requireNonNegative(
        "learning rate", rate, "pass 0 to keep the parameters as they are");
    return rate;
  }

  /**
   * Sets the constant rate.
   *
   * @throws IllegalStateException if there is a schedule
   */
  void set(double rate) {
    if (!isConstant) {
      throw new IllegalStateException(
          "the learning rate follows a schedule"
              + (isNamed(schedule) ? ", " + schedule : "")
              + ": set it between steps where the optimizer was built with a constant one");
    }
    schedule = Schedules.constant(require(rate));
  }

  /**
   * The rate of a step.
   *
   * @throws IllegalStateException if it is not finite or negative
   */
  double rate(long step) {
    double rate = schedule.rate(step);
    if (!(rate >= 0 && rate <= Double.MAX_VALUE)) {
      throw new IllegalStateException(
          "the schedule"
              + (isNamed(schedule) ? " " + schedule : "")
              + " gives rate "
              + rate
              + " at step "
              + step
              + ", must be finite and at least 0");
    }
    return rate;
  }

  /** Whether a schedule describes itself; a lambda's name is of no use. */
  static boolean isNamed(Schedule schedule) {
    return schedule.getClass().getPackage().equals(Schedule.class.getPackage());
  }
}
