package io.warmstep.cli.train;

import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.Locale;

/**
 * The learning rate of a run, composed of a schedule and a warm-up.
 *
 * @param schedule from the step to its rate
 * @param highest the rate that the schedule was made with
 * @param warmUp the warm-up as the user would write it, such as {@code linear:135} or {@code none}
 * @param description in words, such as {@code cosine after a linear warm-up of 135 steps}
 * @param plateau the part that wants to hear the training loss after each epoch, or null
 */
public record LearningRate(
    Schedule schedule, double highest, String warmUp, String description, PlateauSchedule plateau) {

  /**
   * Fits a schedule and a warm-up to a run.
   *
   * @param choice the schedule
   * @param warmUp the warm-up, or null for the default: linear over {@link
   *     WarmUpChoice#DEFAULT_SHARE} of the run, and none for schedules that start low
   * @param rate the highest rate, finite and at least 0
   * @param steps the steps of the run
   * @param rule what the untuned warm-ups take beta2 from
   * @return the learning rate
   * @throws IllegalArgumentException if the parts do not fit each other
   */
  public static LearningRate of(
      ScheduleChoice choice, WarmUpChoice warmUp, double rate, long steps, UpdateRule rule) {
    WarmUpChoice.Shape shape = shape(choice, warmUp);
    if (shape.isUntuned()) {
      if (!RuleSettings.has(rule, "beta2")) {
        throw new IllegalArgumentException(
            "--warmup is "
                + shape
                + ", which needs a rule with a beta2, such as adam; --rule is "
                + rule.name());
      }
      double beta2 = RuleSettings.number(rule, "beta2");
      Schedule base = choice.create(new ScheduleChoice.Plan(rate, steps, 0));
      Schedule dampened =
          shape == WarmUpChoice.Shape.UNTUNED_LINEAR
              ? base.untunedLinearWarmUp(beta2)
              : base.untunedExponentialWarmUp(beta2);
      return of(dampened, rate, shape.toString(), choice + " with an " + shape + " warm-up", base);
    }

    long length = shape == WarmUpChoice.Shape.NONE ? 0 : length(warmUp, steps);
    if (length == 0) {
      Schedule base = choice.create(new ScheduleChoice.Plan(rate, steps, 0));
      return of(base, rate, "none", choice.toString(), base);
    }
    String described =
        String.format(
            Locale.ROOT,
            "%s after %s %s warm-up of %,d %s",
            choice,
            shape == WarmUpChoice.Shape.EXPONENTIAL ? "an" : "a",
            shape,
            length,
            length == 1 ? "step" : "steps");
    String written = shape + ":" + length;
    if (choice.hasLinearWarmUp()) {
      Schedule base = choice.create(new ScheduleChoice.Plan(rate, steps, length));
      return of(base, rate, written, described, base);
    }
    Schedule base = choice.create(new ScheduleChoice.Plan(rate, steps - length, 0));
    return of(base.warmUp(length, shape.curve()), rate, written, described, base);
  }

  /**
   * The same rate at every step.
   *
   * @param rate the rate, finite and at least 0
   * @return the learning rate
   */
  public static LearningRate constant(double rate) {
    Schedule schedule = Schedules.constant(rate);
    return of(schedule, rate, "none", ScheduleChoice.CONSTANT.toString(), schedule);
  }

  private static LearningRate of(
      Schedule whole, double highest, String warmUp, String description, Schedule base) {
    return new LearningRate(
        whole,
        highest,
        warmUp,
        description,
        base instanceof PlateauSchedule plateau ? plateau : null);
  }

  private static WarmUpChoice.Shape shape(ScheduleChoice choice, WarmUpChoice warmUp) {
    if (warmUp == null) {
      return choice.startsLow() ? WarmUpChoice.Shape.NONE : WarmUpChoice.Shape.LINEAR;
    }
    WarmUpChoice.Shape shape = warmUp.shape();
    boolean free = shape == WarmUpChoice.Shape.NONE || shape.isUntuned();
    if (choice == ScheduleChoice.ONE_CYCLE && !free) {
      throw new IllegalArgumentException(
          "--schedule one-cycle has a warm-up of its own; use --warmup none, or another schedule");
    }
    if (choice.hasLinearWarmUp() && !free && shape != WarmUpChoice.Shape.LINEAR) {
      throw new IllegalArgumentException(
          "--schedule " + choice + " has a linear warm-up of its own; use --warmup linear:STEPS");
    }
    return shape;
  }

  private static long length(WarmUpChoice warmUp, long steps) {
    if (warmUp == null || warmUp.steps().isEmpty()) {
      return Math.min(steps - 1, (long) Math.ceil(WarmUpChoice.DEFAULT_SHARE * steps));
    }
    long length = warmUp.steps().getAsLong();
    if (length >= steps) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "--warmup has %d steps, must be fewer than the run's %d",
              length,
              steps));
    }
    return length;
  }
}
