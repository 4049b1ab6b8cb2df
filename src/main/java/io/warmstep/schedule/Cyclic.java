package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import io.warmstep.math.Powers;

/**
 * A triangle wave between two rates. See {@link Schedules#triangular}, {@link
 * Schedules#triangular2} and {@link Schedules#expRange}.
 *
 * @param baseRate the rate at the bottom of each cycle
 * @param maxRate the rate at the top of the first cycle
 * @param stepsUp the steps from the bottom to the top
 * @param stepsDown the steps from the top to the bottom
 * @param cycleFactor factor on the height from cycle to cycle
 * @param stepFactor factor on the height from step to step
 */
record Cyclic(
    double baseRate,
    double maxRate,
    long stepsUp,
    long stepsDown,
    double cycleFactor,
    double stepFactor)
    implements Schedule {
  Cyclic {
    Require.rate("baseRate", baseRate);
    Require.rate("maxRate", maxRate);
    Arguments.require(
        maxRate >= baseRate,
        "maxRate",
        maxRate,
        "at least baseRate, " + baseRate,
        "pass the lower rate first");
    Require.steps("stepsUp", stepsUp);
    Require.steps("stepsDown", stepsDown);
    if (stepsUp > Long.MAX_VALUE - stepsDown) {
      throw Arguments.refusal(
          "stepsUp + stepsDown",
          stepsUp + " + " + stepsDown,
          "at most " + Long.MAX_VALUE,
          "pass a shorter cycle");
    }
    Require.decay("cycleFactor", cycleFactor);
    Require.decay("gamma", stepFactor);
  }

  @Override
  public double rate(long step) {
    Require.step(step);
    long done = step - 1;
    long period = stepsUp + stepsDown;
    long cycle = done / period;
    long position = done % period;
    double height =
        position <= stepsUp
            ? (double) position / stepsUp
            : (double) (period - position) / stepsDown;
    height *= Powers.power(cycleFactor, cycle) * Powers.power(stepFactor, done);
    return maxRate * height + baseRate * (1 - height);
  }
}
