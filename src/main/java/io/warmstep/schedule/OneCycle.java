package io.warmstep.schedule;

import io.warmstep.check.Arguments;

/**
 * The one-cycle policy: the rate rises from {@code maxRate / divFactor} to {@code maxRate}, then
 * falls to {@code maxRate / divFactor / finalDivFactor}, and stays there. With three phases it
 * first falls as far as it rose, in as many steps, and then to the end value. The first step has
 * the initial rate, and step {@code totalSteps} is the first with the end value (Smith and Topin
 * 2017, "Super-convergence"; formula and defaults of PyTorch's {@code OneCycleLR}).
 *
 * <p>As in PyTorch, the rate is highest after {@code pctStart * totalSteps - 1} steps, which may
 * lie between two steps, so no step need have {@code maxRate} in full. Where it lies before the
 * first step, or on it, the rate does not rise; PyTorch then begins with another rate than the
 * initial one, or divides by zero.
 *
 * <p>Immutable; the methods that take a value return a changed copy. Made by {@link
 * Schedules#oneCycle(double, long)}.
 *
 * @param maxRate the highest rate, finite and at least 0
 * @param totalSteps the length of the cycle in steps, at least 2
 * @param pctStart the share of the steps in which the rate rises, more than 0 and less than 1; at
 *     most 0.5 with three phases
 * @param annealing the shape of each phase
 * @param divFactor how many times smaller than the highest rate the initial one is, at least 1
 * @param finalDivFactor how many times smaller than the initial rate the end value is, at least 1
 * @param threePhase whether the rate falls to the initial rate first, in a phase of its own
 */
public record OneCycle(
    double maxRate,
    long totalSteps,
    double pctStart,
    Annealing annealing,
    double divFactor,
    double finalDivFactor,
    boolean threePhase)
    implements Schedule {

  /**
   * Makes the schedule from all its values.
   *
   * @param maxRate the highest rate
   * @param totalSteps the length of the cycle in steps
   * @param pctStart the share of the steps in which the rate rises
   * @param annealing the shape of each phase
   * @param divFactor how many times smaller than the highest rate the initial one is
   * @param finalDivFactor how many times smaller than the initial rate the end value is
   * @param threePhase whether the rate falls to the initial rate first
   * @throws IllegalArgumentException if one is out of its range
   * @throws NullPointerException if {@code annealing} is null
   */
  public OneCycle {
    Require.rate("maxRate", maxRate);
    Arguments.requireAtLeast(
        "totalSteps", totalSteps, 2, "pass the number of steps of the whole run");
    Arguments.require(
        pctStart > 0 && (threePhase ? pctStart <= 0.5 : pctStart < 1),
        "pctStart",
        pctStart,
        threePhase ? "in (0, 0.5] with three phases" : "in (0, 1)",
        "pass the share of the steps in which the rate rises, such as 0.3");
    Arguments.requirePresent("annealing", annealing, "pass a shape such as Annealing.COSINE");
    Require.divisor("divFactor", divFactor);
    Require.divisor("finalDivFactor", finalDivFactor);
  }

  @Override
  public double rate(long step) {
    Require.step(step);
    long last = totalSteps - 1;
    long done = Math.min(step - 1, last);
    double initialRate = maxRate / divFactor;
    double finalRate = initialRate / finalDivFactor;
    // Whatever lies between them: in a short cycle phases may be shorter than a step, or empty.
    if (done == 0) {
      return initialRate;
    }
    if (done == last) {
      return finalRate;
    }
    double top = pctStart * totalSteps - 1;
    if (done <= top) {
      return phase(initialRate, maxRate, done, 0, top);
    }
    if (!threePhase) {
      return phase(maxRate, finalRate, done, top, last);
    }
    double foot = 2 * pctStart * totalSteps - 2;
    return done <= foot
        ? phase(maxRate, initialRate, done, top, foot)
        : phase(initialRate, finalRate, done, foot, last);
  }

  private double phase(double from, double to, double done, double start, double end) {
    return annealing.between(from, to, (end - done) / (end - start));
  }

  /**
   * Sets the share of the steps in which the rate rises.
   *
   * @param pctStart more than 0 and less than 1, at most 0.5 with three phases; 0.3 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle pctStart(double pctStart) {
    return new OneCycle(
        maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
  }

  /**
   * Sets the shape of each phase.
   *
   * @param annealing the shape; {@link Annealing#COSINE} by default
   * @return a changed copy
   * @throws NullPointerException if the shape is null
   */
  public OneCycle annealing(Annealing annealing) {
    return new OneCycle(
        maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
  }

  /**
   * Sets how many times smaller than the highest rate the initial one is.
   *
   * @param divFactor finite and at least 1; 25 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle divFactor(double divFactor) {
    return new OneCycle(
        maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
  }

  /**
   * Sets how many times smaller than the initial rate the end value is.
   *
   * @param finalDivFactor finite and at least 1; 10,000 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle finalDivFactor(double finalDivFactor) {
    return new OneCycle(
        maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
  }

  /**
   * Sets whether the rate falls to the initial rate first, in a phase of its own.
   *
   * @param threePhase three phases if true; two by default
   * @return a changed copy
   * @throws IllegalArgumentException if there are to be three phases and {@code pctStart} is more
   *     than 0.5
   */
  public OneCycle threePhase(boolean threePhase) {
    return new OneCycle(
        maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
  }
}
