package io.warmstep;

import io.warmstep.schedule.Schedule;

/** A user's schedule, whose rates are checked and which is named where it can be. */
final class CheckedSchedule {
  private CheckedSchedule() {}

  /**
   * The rate of a step.
   *
   * @throws IllegalStateException if it is not finite or negative
   */
  static double rate(Schedule schedule, long step) {
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

  /** Whether a schedule says what it is; a lambda's name tells nobody anything. */
  static boolean isNamed(Schedule schedule) {
    return schedule.getClass().getPackage().equals(Schedule.class.getPackage());
  }
}
