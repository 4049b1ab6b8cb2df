package io.warmstep.schedule;

import java.util.List;

/**
 * A learning-rate schedule: the learning rate of each optimizer step.
 *
 * <p>The schedules of {@link Schedules} are immutable, may be shared between threads, answer for
 * any step in any order, and allocate nothing when asked. A lambda is a schedule too.
 *
 * <p>Schedules compose from the inside out. There are two kinds of warm-up, which treat the
 * schedule that is warmed up differently:
 *
 * <ul>
 *   <li>{@link #warmUp(long)} and {@link #warmUp(long, WarmUp)} <b>delay</b>: the steps of the
 *       warm-up come first, and only then does the schedule start, at its own step 1. {@code
 *       Schedules.cosine(1e-3, 10_000).warmUp(500)} takes 10,500 steps.
 *   <li>{@link #untunedLinearWarmUp(double)} and {@link #untunedExponentialWarmUp(double)}
 *       <b>dampen</b>: the schedule starts at once, and its rate at each step is multiplied by a
 *       factor that grows to 1. The number of steps stays the same.
 * </ul>
 */
@FunctionalInterface
public interface Schedule {
  /**
   * The learning rate of one optimizer step. PyTorch counts from 0: its rate number {@code t} is
   * {@code rate(t + 1)}.
   *
   * @param step the number of the step (of the update), counted from 1
   * @return the learning rate of this step
   * @throws IllegalArgumentException if {@code step} is less than 1
   */
  double rate(long step);

  /**
   * Puts a linear warm-up before this schedule: step {@code t} of the warm-up has {@code t / steps}
   * of this schedule's first rate. The last step of the warm-up has the full rate; this schedule
   * then starts at its own step 1.
   *
   * @param steps the length of the warm-up in steps; 0 means no warm-up
   * @return the schedule with its warm-up
   * @throws IllegalArgumentException if {@code steps} is negative
   */
  default Schedule warmUp(long steps) {
    return warmUp(steps, WarmUp.linear());
  }

  /**
   * Puts a warm-up before this schedule: step {@code t} of the warm-up has {@code shape.factor(t,
   * steps)} of this schedule's first rate; this schedule then starts at its own step 1.
   *
   * @param steps the length of the warm-up in steps; 0 means no warm-up
   * @param shape the shape of the warm-up
   * @return the schedule with its warm-up
   * @throws IllegalArgumentException if {@code steps} is negative
   * @throws NullPointerException if {@code shape} is null
   */
  default Schedule warmUp(long steps, WarmUp shape) {
    return new Combinators.WarmedUp(this, steps, shape);
  }

  /**
   * Returns this schedule for a number of steps, followed by another one, which starts at its own
   * step 1.
   *
   * @param afterSteps the number of steps of this schedule, at least 1
   * @param next the schedule after them
   * @return both, one after the other
   * @throws IllegalArgumentException if {@code afterSteps} is less than 1
   * @throws NullPointerException if {@code next} is null
   */
  default Schedule then(long afterSteps, Schedule next) {
    return new Combinators.Then(this, afterSteps, next);
  }

  /**
   * Returns a schedule that endlessly repeats the first steps of this one.
   *
   * @param period the number of steps after which this schedule starts again, at least 1
   * @return the repeated schedule
   * @throws IllegalArgumentException if {@code period} is less than 1
   */
  default Schedule cycle(long period) {
    return new Combinators.Cycle(this, period);
  }

  /**
   * Returns this schedule with every rate multiplied by a factor.
   *
   * @param factor the factor, finite and at least 0
   * @return the scaled schedule
   * @throws IllegalArgumentException if {@code factor} is negative, infinite or NaN
   */
  default Schedule scaled(double factor) {
    return new Combinators.Scaled(this, factor);
  }

  /**
   * Dampens this schedule by the untuned linear warm-up for Adam: the rate of step {@code t} is
   * multiplied by {@code min(1, t (1 - beta2) / 2)}, which is 1 after {@code 2 / (1 - beta2)}
   * steps. It has no length to tune and does not delay this schedule (Ma and Yarats 2019, "On the
   * adequacy of untuned warmup for adaptive optimization", arXiv:1910.04209).
   *
   * @param beta2 the optimizer's second beta, in [0, 1)
   * @return the dampened schedule
   * @throws IllegalArgumentException if {@code beta2} is out of its range or NaN
   */
  default Schedule untunedLinearWarmUp(double beta2) {
    return new Combinators.UntunedLinear(this, beta2);
  }

  /**
   * Dampens this schedule by the untuned exponential warm-up for Adam: the rate of step {@code t}
   * is multiplied by {@code 1 - exp(-(1 - beta2) t)}. It has no length to tune and does not delay
   * this schedule (Ma and Yarats 2019, "On the adequacy of untuned warmup for adaptive
   * optimization", arXiv:1910.04209).
   *
   * @param beta2 the optimizer's second beta, in [0, 1)
   * @return the dampened schedule
   * @throws IllegalArgumentException if {@code beta2} is out of its range or NaN
   */
  default Schedule untunedExponentialWarmUp(double beta2) {
    return new Combinators.UntunedExponential(this, beta2);
  }

  /**
   * The schedules that this one is composed of. Checkpoints look among them for schedules with
   * state, such as {@link PlateauSchedule}.
   *
   * @return the parts, empty for a schedule without any
   */
  default List<Schedule> parts() {
    return List.of();
  }

  /**
   * Whether a rate depends only on the number of its step, whenever it is queried. An optimizer may
   * then query the rates of future steps, so that a device can take several without the host: see
   * {@code Optimizer.capture}.
   *
   * @return true for the library's schedules and compositions of them, except those that follow a
   *     metric; false for custom ones, unless they override this
   */
  default boolean isKnownAhead() {
    return getClass().getPackage().equals(Schedule.class.getPackage())
        && parts().stream().allMatch(Schedule::isKnownAhead);
  }
}
