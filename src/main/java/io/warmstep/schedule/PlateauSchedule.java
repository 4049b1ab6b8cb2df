package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import java.util.function.Consumer;

/**
 * Reduces the learning rate when a metric has stopped improving, like PyTorch's {@code
 * ReduceLROnPlateau}. Pass the metric to {@link #report} after each epoch (or whatever interval
 * {@code patience} and {@code cooldown} count).
 *
 * <p>Unlike the other schedules this one has state: {@link #rate} does not depend on the step, but
 * returns the rate after the reports so far. To resume a run exactly, save {@link #state} and give
 * it to {@link #restore}. Not safe for use by several threads at once.
 *
 * <p>A report is an improvement if it is better than the best one so far by more than the
 * threshold. After more than {@code patience} reports in a row without one, the rate is multiplied
 * by {@code factor}, but not below {@code minimum}; after that, {@code cooldown} reports do not
 * count, but an improvement among them becomes the best so far. A non-finite report is never an
 * improvement. Relative thresholds are a fraction of the magnitude of the best metric; this is
 * PyTorch's rule for positive metrics, and is also right for negative ones.
 *
 * <pre>{@code
 * PlateauSchedule schedule = Schedules.reduceOnPlateau(1e-3).factor(0.5).patience(5);
 * }</pre>
 *
 * <p>The methods that take a setting return a changed copy, without any reports.
 */
public final class PlateauSchedule implements Schedule {
  /** The direction in which the metric improves. */
  public enum Mode {
    /** Smaller is better, as for a loss. */
    MIN,
    /** Greater is better, as for an accuracy. */
    MAX
  }

  /** The measure of the threshold of an improvement. */
  public enum ThresholdMode {
    /** A fraction of the magnitude of the best metric. */
    RELATIVE,
    /** A difference from the best metric. */
    ABSOLUTE
  }

  /**
   * The state after the reports so far.
   *
   * @param rate the current learning rate
   * @param best the best metric so far; infinite before the first
   * @param badReports the number of reports in a row without an improvement
   * @param cooldownLeft the number of coming reports that do not count
   */
  public record State(double rate, double best, long badReports, long cooldownLeft) {
    private static final String ADVICE = "pass a state as state() returned it";

    /**
     * Creates a state, for example from the values in a checkpoint.
     *
     * @param rate the current learning rate
     * @param best the best metric so far; infinite before the first
     * @param badReports the number of reports in a row without an improvement
     * @param cooldownLeft the number of coming reports that do not count
     * @throws IllegalArgumentException if the rate is negative or not finite, if the best metric is
     *     NaN, or if a count is negative
     */
    public State {
      Arguments.requireNonNegative("rate", rate, ADVICE);
      Arguments.require(!Double.isNaN(best), "best", best, "a number", ADVICE);
      Arguments.requireAtLeast("badReports", badReports, 0, ADVICE);
      Arguments.requireAtLeast("cooldownLeft", cooldownLeft, 0, ADVICE);
    }
  }

  /** The settings of a schedule. */
  private record Settings(
      double learningRate,
      Mode mode,
      double factor,
      long patience,
      double threshold,
      ThresholdMode thresholdMode,
      long cooldown,
      double minimum,
      double eps) {
    Settings {
      Require.rate("learningRate", learningRate);
      Arguments.requirePresent("mode", mode, "pass MIN for a loss, MAX for an accuracy");
      Arguments.require(
          factor > 0 && factor < 1,
          "factor",
          factor,
          "in (0, 1)",
          "pass what to multiply the rate by, such as 0.1");
      Require.reports("patience", patience);
      Arguments.requirePresent("thresholdMode", thresholdMode, "pass RELATIVE or ABSOLUTE");
      boolean relative = thresholdMode == ThresholdMode.RELATIVE;
      Arguments.require(
          threshold >= 0 && threshold < (relative ? 1 : Double.POSITIVE_INFINITY),
          "threshold",
          threshold,
          relative ? "in [0, 1) where relative" : "finite and at least 0",
          "pass the smallest change that counts, such as 1e-4");
      Require.reports("cooldown", cooldown);
      Require.minimum(minimum, learningRate);
      Arguments.requireNonNegative(
          "eps", eps, "pass the smallest reduction worth making, such as 1e-8");
    }
  }

  /** Settings some of which are being changed. */
  private static final class Draft {
    double learningRate;
    Mode mode = Mode.MIN;
    double factor = 0.1;
    long patience = 10;
    double threshold = 1e-4;
    ThresholdMode thresholdMode = ThresholdMode.RELATIVE;
    long cooldown;
    double minimum;
    double eps = 1e-8;

    Draft(double learningRate) {
      this.learningRate = learningRate;
    }

    Draft(Settings settings) {
      learningRate = settings.learningRate;
      mode = settings.mode;
      factor = settings.factor;
      patience = settings.patience;
      threshold = settings.threshold;
      thresholdMode = settings.thresholdMode;
      cooldown = settings.cooldown;
      minimum = settings.minimum;
      eps = settings.eps;
    }

    Settings settings() {
      return new Settings(
          learningRate, mode, factor, patience, threshold, thresholdMode, cooldown, minimum, eps);
    }
  }

  private final Settings settings;
  private double rate;
  private double best;
  private long badReports;
  private long cooldownLeft;

  PlateauSchedule(double learningRate) {
    this(new Draft(learningRate).settings());
  }

  private PlateauSchedule(Settings settings) {
    this.settings = settings;
    rate = settings.learningRate;
    best = settings.mode == Mode.MIN ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
  }

  @Override
  public boolean isKnownAhead() {
    return false;
  }

  /**
   * The current learning rate, whatever the step.
   *
   * @param step the number of the step, counted from 1
   * @return the rate after the reports so far
   * @throws IllegalArgumentException if {@code step} is less than 1
   */
  @Override
  public double rate(long step) {
    Require.step(step);
    return rate;
  }

  /**
   * Reports the metric, and reduces the rate if it has not improved for long enough.
   *
   * @param metric the metric; NaN and infinities count as no improvement
   */
  public void report(double metric) {
    boolean improved = isImprovement(metric);
    if (improved) {
      best = metric;
    }
    if (cooldownLeft > 0) {
      cooldownLeft--;
      badReports = 0;
    } else if (improved) {
      badReports = 0;
    } else if (badReports < settings.patience) {
      badReports++;
    } else {
      double reduced = Math.max(rate * settings.factor, settings.minimum);
      if (rate - reduced > settings.eps) {
        rate = reduced;
      }
      cooldownLeft = settings.cooldown;
      badReports = 0;
    }
  }

  private boolean isImprovement(double metric) {
    if (!Double.isFinite(metric)) {
      return false;
    }
    boolean smaller = settings.mode == Mode.MIN;
    double bar;
    if (settings.thresholdMode == ThresholdMode.ABSOLUTE) {
      bar = smaller ? best - settings.threshold : best + settings.threshold;
    } else {
      // A factor rather than a margin keeps an infinite best infinite.
      bar = best * (smaller == (best >= 0) ? 1 - settings.threshold : 1 + settings.threshold);
    }
    return smaller ? metric < bar : metric > bar;
  }

  /**
   * The state after the reports so far, for a checkpoint.
   *
   * @return the current state
   */
  public State state() {
    return new State(rate, best, badReports, cooldownLeft);
  }

  /**
   * Resumes from a saved state.
   *
   * @param state the state, from {@link #state} of a schedule with the same settings
   * @throws NullPointerException if {@code state} is null
   */
  public void restore(State state) {
    Arguments.requirePresent("state", state, State.ADVICE);
    rate = state.rate;
    best = state.best;
    badReports = state.badReports;
    cooldownLeft = state.cooldownLeft;
  }

  private PlateauSchedule with(Consumer<Draft> change) {
    Draft draft = new Draft(settings);
    change.accept(draft);
    return new PlateauSchedule(draft.settings());
  }

  /**
   * Returns a copy with another mode: the direction in which the metric improves.
   *
   * @param mode {@link Mode#MIN} by default
   * @return a changed copy, without any reports
   * @throws NullPointerException if it is null
   */
  public PlateauSchedule mode(Mode mode) {
    return with(draft -> draft.mode = mode);
  }

  /**
   * Returns a copy with another factor, by which a reduction multiplies the rate.
   *
   * @param factor more than 0 and less than 1; 0.1 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule factor(double factor) {
    return with(draft -> draft.factor = factor);
  }

  /**
   * Returns a copy with another patience: how many reports in a row may lack an improvement.
   *
   * @param patience at least 0; 10 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule patience(long patience) {
    return with(draft -> draft.patience = patience);
  }

  /**
   * Returns a copy with another threshold: by how much a metric must be better than the best one.
   *
   * @param threshold at least 0, and less than 1 where relative; 1e-4 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule threshold(double threshold) {
    return with(draft -> draft.threshold = threshold);
  }

  /**
   * Returns a copy with another threshold mode: the measure of the threshold.
   *
   * @param thresholdMode {@link ThresholdMode#RELATIVE} by default
   * @return a changed copy, without any reports
   * @throws NullPointerException if it is null
   * @throws IllegalArgumentException if the threshold is out of range in this mode
   */
  public PlateauSchedule thresholdMode(ThresholdMode thresholdMode) {
    return with(draft -> draft.thresholdMode = thresholdMode);
  }

  /**
   * Returns a copy with another cooldown: how many reports after a reduction do not count.
   *
   * @param cooldown at least 0; 0 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule cooldown(long cooldown) {
    return with(draft -> draft.cooldown = cooldown);
  }

  /**
   * Returns a copy with another minimum, below which the rate is not reduced.
   *
   * @param minimum at least 0 and at most the initial rate; 0 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule minimum(double minimum) {
    return with(draft -> draft.minimum = minimum);
  }

  /**
   * Returns a copy with another eps: reductions must be larger than this.
   *
   * @param eps finite and at least 0; 1e-8 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public PlateauSchedule eps(double eps) {
    return with(draft -> draft.eps = eps);
  }

  @Override
  public String toString() {
    return "PlateauSchedule[rate="
        + rate
        + ", best="
        + best
        + ", badReports="
        + badReports
        + ", cooldownLeft="
        + cooldownLeft
        + ", "
        + settings
        + "]";
  }
}
