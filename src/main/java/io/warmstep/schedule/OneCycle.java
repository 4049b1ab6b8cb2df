package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import java.util.function.Consumer;

/**
 * The one-cycle policy: the rate rises from {@code maxRate / divFactor} to {@code maxRate}, then
 * falls to {@code maxRate / divFactor / finalDivFactor}, and stays there. With three phases it
 * first falls back to the initial rate, in as many steps as it rose, and then to the end value. The
 * first step has the initial rate, and step {@code totalSteps} is the first with the end value
 * (Smith and Topin 2017, "Super-convergence"; formula and defaults of PyTorch's {@code
 * OneCycleLR}).
 *
 * <p>As in PyTorch, the rate is highest after {@code pctStart * totalSteps - 1} steps, which may
 * lie between two steps, so possibly no step has exactly {@code maxRate}. If the peak lies at or
 * before the first step, the rate does not rise; PyTorch then begins with a rate other than the
 * initial one, or divides by zero.
 *
 * <p>Immutable. Created by {@link Schedules#oneCycle(double, long)}, with PyTorch's defaults.
 */
public final class OneCycle implements Schedule {
  private final Settings settings;

  /** The settings of a schedule. */
  private record Settings(
      double maxRate,
      long totalSteps,
      double pctStart,
      Annealing annealing,
      double divFactor,
      double finalDivFactor,
      boolean threePhase) {
    Settings {
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

    /**
     * A value that moves from an initial value to a top, back if there are three phases, and to an
     * end.
     */
    double value(long step, double initial, double top, double end) {
      Require.step(step);
      long last = totalSteps - 1;
      long done = Math.min(step - 1, last);
      // Handled separately: in a short cycle phases may be shorter than a step, or empty.
      if (done == 0) {
        return initial;
      }
      if (done == last) {
        return end;
      }
      double topAt = pctStart * totalSteps - 1;
      if (done <= topAt) {
        return phase(initial, top, done, 0, topAt);
      }
      if (!threePhase) {
        return phase(top, end, done, topAt, last);
      }
      double footAt = 2 * pctStart * totalSteps - 2;
      return done <= footAt
          ? phase(top, initial, done, topAt, footAt)
          : phase(initial, end, done, footAt, last);
    }

    private double phase(double from, double to, double done, double start, double stop) {
      return annealing.between(from, to, (stop - done) / (stop - start));
    }
  }

  /** Settings some of which are being changed. */
  private static final class Draft {
    double maxRate;
    long totalSteps;
    double pctStart = 0.3;
    Annealing annealing = Annealing.COSINE;
    double divFactor = 25;
    double finalDivFactor = 1e4;
    boolean threePhase;

    Draft(double maxRate, long totalSteps) {
      this.maxRate = maxRate;
      this.totalSteps = totalSteps;
    }

    Draft(Settings settings) {
      maxRate = settings.maxRate;
      totalSteps = settings.totalSteps;
      pctStart = settings.pctStart;
      annealing = settings.annealing;
      divFactor = settings.divFactor;
      finalDivFactor = settings.finalDivFactor;
      threePhase = settings.threePhase;
    }

    Settings settings() {
      return new Settings(
          maxRate, totalSteps, pctStart, annealing, divFactor, finalDivFactor, threePhase);
    }
  }

  OneCycle(double maxRate, long totalSteps) {
    this(new Draft(maxRate, totalSteps));
  }

  private OneCycle(Draft draft) {
    settings = draft.settings();
  }

  private OneCycle with(Consumer<Draft> change) {
    Draft draft = new Draft(settings);
    change.accept(draft);
    return new OneCycle(draft);
  }

  /**
   * Returns a copy with another fraction of steps in which the rate rises.
   *
   * @param pctStart more than 0 and less than 1, at most 0.5 with three phases; 0.3 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle pctStart(double pctStart) {
    return with(draft -> draft.pctStart = pctStart);
  }

  /**
   * Returns a copy with another shape for each phase.
   *
   * @param annealing the shape; {@link Annealing#COSINE} by default
   * @return a changed copy
   * @throws NullPointerException if the shape is null
   */
  public OneCycle annealing(Annealing annealing) {
    return with(draft -> draft.annealing = annealing);
  }

  /**
   * Returns a copy with another initial rate, given as the highest rate over the initial one.
   *
   * @param divFactor finite and at least 1; 25 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle divFactor(double divFactor) {
    return with(draft -> draft.divFactor = divFactor);
  }

  /**
   * Returns a copy with another end value, given as the initial rate over the end value.
   *
   * @param finalDivFactor finite and at least 1; 10,000 by default
   * @return a changed copy
   * @throws IllegalArgumentException if the value is out of its range
   */
  public OneCycle finalDivFactor(double finalDivFactor) {
    return with(draft -> draft.finalDivFactor = finalDivFactor);
  }

  /**
   * Returns a copy with two or three phases: in three, the rate falls to the initial rate first.
   *
   * @param threePhase three phases if true; two by default
   * @return a changed copy
   * @throws IllegalArgumentException if three phases are set and {@code pctStart} is more than 0.5
   */
  public OneCycle threePhase(boolean threePhase) {
    return with(draft -> draft.threePhase = threePhase);
  }

  @Override
  public double rate(long step) {
    double initialRate = settings.maxRate / settings.divFactor;
    double finalRate = initialRate / settings.finalDivFactor;
    return settings.value(step, initialRate, settings.maxRate, finalRate);
  }

  /**
   * The matching momentum, as with PyTorch's {@code cycle_momentum}: it falls from 0.95 to 0.85
   * while the rate rises, and rises again while the rate falls.
   *
   * <pre>{@code
   * builder.learningRate(cycle).schedule("momentum", cycle.momentum()); // "beta1" for Adam
   * }</pre>
   *
   * @return a schedule for a momentum or a beta
   */
  public Schedule momentum() {
    return momentum(0.85, 0.95);
  }

  /**
   * The matching momentum between other bounds.
   *
   * @param base the momentum when the rate is highest, in [0, max]
   * @param max the momentum of the first step and of the end, below 1
   * @return a schedule for a momentum or a beta
   * @throws IllegalArgumentException if a value is out of its range
   */
  public Schedule momentum(double base, double max) {
    return new CycleMomentum(settings, base, max);
  }

  /** See {@link #momentum(double, double)}. */
  private record CycleMomentum(Settings cycle, double base, double max) implements Schedule {
    CycleMomentum {
      Arguments.require(
          max >= 0 && max < 1, "max", max, "in [0, 1)", "pass a momentum such as 0.95");
      Arguments.require(
          base >= 0 && base <= max, "base", base, "in [0, max]", "pass a momentum such as 0.85");
    }

    @Override
    public double rate(long step) {
      return cycle.value(step, max, base, max);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof OneCycle that && settings.equals(that.settings);
  }

  @Override
  public int hashCode() {
    return settings.hashCode();
  }

  @Override
  public String toString() {
    return settings.toString().replaceFirst("Settings", "OneCycle");
  }
}
