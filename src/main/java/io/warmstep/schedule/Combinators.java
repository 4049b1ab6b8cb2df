package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import java.util.List;

/** The schedules that the methods of {@link Schedule} compose. */
final class Combinators {
  private Combinators() {}

  /** See {@link Schedule#warmUp(long, WarmUp)}. */
  record WarmedUp(Schedule schedule, long steps, WarmUp shape) implements Schedule {
    WarmedUp {
      Require.stepsOrNone("steps", steps);
      Arguments.requirePresent("shape", shape, "pass one such as WarmUp.linear()");
    }

    @Override
    public List<Schedule> parts() {
      return List.of(schedule);
    }

    /** A custom shape may read anything. */
    @Override
    public boolean isKnownAhead() {
      return schedule.isKnownAhead()
          && shape.getClass().getPackage().equals(WarmUp.class.getPackage());
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return step <= steps
          ? schedule.rate(1) * shape.factor(step, steps)
          : schedule.rate(step - steps);
    }
  }

  /** See {@link Schedule#then(long, Schedule)}. */
  record Then(Schedule first, long afterSteps, Schedule next) implements Schedule {
    Then {
      Require.steps("afterSteps", afterSteps);
      Arguments.requirePresent("next", next, "pass the schedule that follows");
    }

    @Override
    public List<Schedule> parts() {
      return List.of(first, next);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return step <= afterSteps ? first.rate(step) : next.rate(step - afterSteps);
    }
  }

  /** See {@link Schedule#cycle(long)}. */
  record Cycle(Schedule schedule, long period) implements Schedule {
    Cycle {
      Require.steps("period", period);
    }

    @Override
    public List<Schedule> parts() {
      return List.of(schedule);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return schedule.rate((step - 1) % period + 1);
    }
  }

  /** See {@link Schedule#scaled(double)}. */
  record Scaled(Schedule schedule, double factor) implements Schedule {
    Scaled {
      Require.factor("factor", factor);
    }

    @Override
    public List<Schedule> parts() {
      return List.of(schedule);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return schedule.rate(step) * factor;
    }
  }

  /** See {@link Schedule#untunedLinearWarmUp(double)}. */
  record UntunedLinear(Schedule schedule, double beta2) implements Schedule {
    UntunedLinear {
      Require.beta2(beta2);
    }

    @Override
    public List<Schedule> parts() {
      return List.of(schedule);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      return schedule.rate(step) * Math.min(1, (1 - beta2) / 2 * step);
    }
  }

  /** See {@link Schedule#untunedExponentialWarmUp(double)}. */
  record UntunedExponential(Schedule schedule, double beta2) implements Schedule {
    UntunedExponential {
      Require.beta2(beta2);
    }

    @Override
    public List<Schedule> parts() {
      return List.of(schedule);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      // expm1, because the factors of the first steps are small.
      return schedule.rate(step) * -StrictMath.expm1(-(1 - beta2) * step);
    }
  }
}
