package io.warmstep.cli.train;

import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;

/** The learning-rate schedules that the command line offers, fitted to the length of the run. */
public enum ScheduleChoice {
  /** The same rate all the time. */
  CONSTANT("the same rate all the time") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.constant(plan.rate());
    }
  },

  /** Falls to a tenth twice. */
  STEP("a tenth after each third of the run") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.step(plan.rate(), Math.max(1, (plan.steps() + 2) / 3), 0.1);
    }
  },

  /** Geometric decay. */
  EXPONENTIAL("falls by a constant factor to 1 %") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.exponential(plan.rate(), Math.pow(0.01, 1.0 / plan.steps()));
    }
  },

  /** Quadratic decay. */
  POLYNOMIAL("falls with the square of the steps left") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.polynomial(plan.rate(), plan.steps(), 2);
    }
  },

  /** Half a cosine wave. */
  COSINE("half a cosine wave down to 0") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.cosine(plan.rate(), plan.steps());
    }
  },

  /** Cosine with warm restarts. */
  COSINE_RESTARTS("three cosine waves, each twice as long as the last") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.cosineWarmRestarts(plan.rate(), Math.max(1, (plan.steps() + 6) / 7), 2, 0);
    }
  },

  /** Triangles of falling height. */
  CYCLIC("four triangles from a tenth, each half as high as the last") {
    @Override
    Schedule create(Plan plan) {
      long half = Math.max(1, (plan.steps() + 7) / 8);
      return Schedules.triangular2(plan.rate() / 10, plan.rate(), half, half);
    }
  },

  /** The one-cycle policy. */
  ONE_CYCLE("rises for 30 % of the run, then falls; has its own warm-up") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.oneCycle(plan.rate(), Math.max(2, plan.steps()));
    }
  },

  /** Inverse square root. */
  INVERSE_SQRT("falls with the root of the steps after its own linear warm-up") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.inverseSquareRoot(plan.rate(), Math.max(1, plan.warmUpSteps()));
    }
  },

  /** Warm-up, stable, decay. */
  WSD("its own linear warm-up, stable, falls to 0 in the last 20 %") {
    @Override
    Schedule create(Plan plan) {
      long decay = Math.max(1, plan.steps() / 5);
      long stable = Math.max(0, plan.steps() - plan.warmUpSteps() - decay);
      return Schedules.warmUpStableDecay(plan.rate(), plan.warmUpSteps(), stable, decay);
    }
  },

  /** Reduce on plateau. */
  PLATEAU("halves when the training loss has not improved for 3 epochs") {
    @Override
    Schedule create(Plan plan) {
      return Schedules.reduceOnPlateau(plan.rate()).factor(0.5).patience(3);
    }
  };

  private final String description;

  ScheduleChoice(String description) {
    this.description = description;
  }

  /**
   * What a schedule is fitted to.
   *
   * @param rate the highest rate
   * @param steps the steps that it covers, at least 1
   * @param warmUpSteps of them, those of its own warm-up, if it has one
   */
  record Plan(double rate, long steps, long warmUpSteps) {}

  abstract Schedule create(Plan plan);

  /**
   * Says whether the schedule starts low, so that it is not warmed up unless asked.
   *
   * @return whether it does
   */
  public boolean startsLow() {
    return this == ONE_CYCLE || this == CYCLIC;
  }

  /** Whether the schedule contains a linear warm-up of a chosen length. */
  boolean hasLinearWarmUp() {
    return this == INVERSE_SQRT || this == WSD;
  }

  /**
   * Returns what the schedule does.
   *
   * @return a phrase for the help text
   */
  public String description() {
    return description;
  }

  /** Returns the name as the user writes it, such as {@code cosine-restarts}. */
  @Override
  public String toString() {
    return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }
}
