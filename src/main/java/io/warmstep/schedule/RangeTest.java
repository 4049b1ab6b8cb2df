package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import io.warmstep.math.Powers;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * The learning-rate range test: a run of a few hundred steps whose rate rises from far too low to
 * far too high, and whose losses show which rates are right (Smith 2017, "Cyclical learning rates
 * for training neural networks", arXiv:1506.01186). It is the schedule of a separate optimizer, and
 * takes the loss after each step:
 *
 * <pre>{@code
 * RangeTest test = RangeTest.exponential(1e-7, 10, 200);
 * try (Optimizer trial = Optimizer.of(parameters).rule(rule).learningRate(test).build()) {
 *   do {
 *     loss = backward(nextBatch()); // writes the gradients
 *     trial.step();
 *   } while (test.report(loss));
 * }
 * RangeTest.Result result = test.result();
 * }</pre>
 *
 * <p>The steps change the parameters; {@code io.warmstep.RateFinder} does all of this and restores
 * them. The loss is that of the step's own minibatch from its forward pass, so before the step's
 * update. Losses are smoothed by a moving average with bias correction: {@code average = smoothing
 * × average + (1 - smoothing) × loss}, divided by {@code 1 - smoothing^n} after n losses. The test
 * is over after the last step, or as soon as the loss has diverged: a loss is not finite, or the
 * smoothed loss has risen to {@value #DIVERGED} times its minimum, and by more than a tenth of the
 * first loss.
 *
 * <p>Not safe for use by several threads at once.
 */
public final class RangeTest implements Schedule {
  /** How many times its minimum a smoothed loss must reach to count as diverged. */
  public static final double DIVERGED = 4;

  /** With fewer finite losses than this, a test draws no conclusion. */
  public static final int MIN_STEPS = 20;

  private static final double DEFAULT_SMOOTHING = 0.9;
  private static final int MAX_STEPS = 100_000;

  private final double from;
  private final double to;
  private final int steps;
  private final boolean isExponential;
  private final double smoothing;

  private final List<Point> points = new ArrayList<>();
  private double average;
  private double weight = 1;
  private double least = Double.POSITIVE_INFINITY;
  private boolean diverged;

  /**
   * A step of the test.
   *
   * @param rate its learning rate
   * @param loss the loss reported for it; NaN or infinite only for the last step
   * @param smoothed the moving average of the losses so far; not finite if the loss is not
   */
  public record Point(double rate, double loss, double smoothed) {}

  /** How a test ended. */
  public enum Outcome {
    /** The loss fell, and diverged at higher rates: all numbers are available. */
    FOUND("found"),
    /** The loss fell and did not diverge: a rate can be suggested, and there is no edge. */
    NEVER_DIVERGED("never diverged"),
    /** The loss did not fall more than it varies: no rate can be suggested. */
    FLAT("flat"),
    /** There were fewer than {@value #MIN_STEPS} finite losses: there is no conclusion. */
    TOO_FEW_STEPS("too few steps"),
    /** The first loss was NaN or infinite: there is no conclusion. */
    NOT_FINITE("not finite");

    private final String text;

    Outcome(String text) {
      this.text = text;
    }

    /** Returns the outcome in words. */
    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * A test's conclusions about the learning rate. Numbers that the curve does not show are empty,
   * not guessed.
   *
   * @param outcome how the test ended
   * @param reason the reason, in one sentence with numbers, without a full stop
   * @param curve all steps
   * @param valley the rate in the middle of the longest stretch over which the smoothed loss falls:
   *     a common and safe choice, returned by {@link #suggested}
   * @param slide coming from the end, the first rate at which the slope of the smoothed loss has
   *     settled
   * @param steepest the rate at which the smoothed loss falls fastest
   * @param minimumOverTen a tenth of the rate at which the smoothed loss is lowest
   * @param edge the rate above which training diverges, estimated from how fast the loss grows at
   *     the end of the curve. On a quadratic under plain SGD this is 2 / (largest curvature),
   *     however late the growth shows; under momentum it is too low by up to a third
   * @param low lower end of the band: where 10 % of the total decrease in loss has happened
   * @param high upper end of the band: where the smoothed loss is lowest, and at most half the
   *     edge; without an edge, where 95 % of the total decrease has happened. Empty, like {@code
   *     low}, if it is not above {@code low}
   */
  public record Result(
      Outcome outcome,
      String reason,
      List<Point> curve,
      OptionalDouble valley,
      OptionalDouble slide,
      OptionalDouble steepest,
      OptionalDouble minimumOverTen,
      OptionalDouble edge,
      OptionalDouble low,
      OptionalDouble high) {
    /**
     * Creates a result; {@link RangeTest#result} does so from a test.
     *
     * @param outcome how the test ended
     * @param reason why
     * @param curve all steps; copied
     * @param valley the middle of the longest fall
     * @param slide where the slope has settled
     * @param steepest where the loss falls fastest
     * @param minimumOverTen a tenth of the rate where it is lowest
     * @param edge where training begins to diverge
     * @param low lower end of the band
     * @param high upper end of the band
     */
    public Result {
      curve = List.copyOf(curve);
    }

    /**
     * Returns the rate to use.
     *
     * @return the valley, or empty if there is none
     */
    public OptionalDouble suggested() {
      return valley;
    }

    /**
     * Returns the rate to use as the peak of a schedule that ends low: half of {@code high}, or
     * {@code valley} if that is above it, but not more than {@code high}; without a band, the
     * valley. In short runs of small networks this was within half a point of the accuracy of the
     * best rate of a sweep, whereas the valley, at which the loss is still falling, was up to ten
     * times too low and cost one to five points. If a diverging run costs days rather than minutes,
     * start with the valley.
     *
     * @return the rate, or empty if there is none
     */
    public OptionalDouble peak() {
      if (valley.isEmpty() || high.isEmpty()) {
        return valley;
      }
      double most = high.getAsDouble();
      return OptionalDouble.of(Math.min(most, Math.max(most / 2, valley.getAsDouble())));
    }

    /** Returns everything but the curve, for which it gives the number of steps. */
    @Override
    public String toString() {
      return "Result[outcome="
          + outcome
          + ", reason="
          + reason
          + ", steps="
          + curve.size()
          + ", valley="
          + valley
          + ", slide="
          + slide
          + ", steepest="
          + steepest
          + ", minimumOverTen="
          + minimumOverTen
          + ", edge="
          + edge
          + ", low="
          + low
          + ", high="
          + high
          + "]";
    }
  }

  private RangeTest(double from, double to, int steps, boolean isExponential, double smoothing) {
    this.from = from;
    this.to = to;
    this.steps = steps;
    this.isExponential = isExponential;
    this.smoothing = smoothing;
  }

  /**
   * Creates a test whose rate grows by the same factor at each step, the usual form.
   *
   * @param from the rate of the first step, above 0; such as 1e-7
   * @param to the rate of the last step, above {@code from}; such as 10
   * @param steps the number of steps, from 2 to 100,000; a hundred or more make a good curve
   * @return the test
   * @throws IllegalArgumentException if a value is out of its range
   */
  public static RangeTest exponential(double from, double to, int steps) {
    Arguments.requirePositive("from", from, "pass a rate that is far too low, such as 1e-7");
    requireAbove(from, to);
    requireCount(steps);
    return new RangeTest(from, to, steps, true, DEFAULT_SMOOTHING);
  }

  /**
   * Creates a test whose rate grows by the same amount at each step.
   *
   * @param from the rate of the first step, at least 0
   * @param to the rate of the last step, above {@code from}
   * @param steps the number of steps, from 2 to 100,000
   * @return the test
   * @throws IllegalArgumentException if a value is out of its range
   */
  public static RangeTest linear(double from, double to, int steps) {
    Require.rate("from", from);
    requireAbove(from, to);
    requireCount(steps);
    return new RangeTest(from, to, steps, false, DEFAULT_SMOOTHING);
  }

  private static void requireAbove(double from, double to) {
    Arguments.require(
        to > from && to <= Double.MAX_VALUE,
        "to",
        to,
        "finite and above from, " + from,
        "pass a rate that is far too high, such as 10");
  }

  private static void requireCount(int steps) {
    if (steps < 2 || steps > MAX_STEPS) {
      throw Arguments.refusal(
          "steps", steps, "from 2 to " + MAX_STEPS, "pass a number of steps, such as 200");
    }
  }

  /**
   * Returns a copy with other smoothing.
   *
   * @param smoothing the fraction of the average that is kept when a loss is reported, at least 0
   *     (no smoothing) and less than 1; 0.9 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public RangeTest smoothing(double smoothing) {
    Arguments.require(
        smoothing >= 0 && smoothing < 1,
        "smoothing",
        smoothing,
        "in [0, 1)",
        "pass the share of the average that stays, such as 0.9");
    return new RangeTest(from, to, steps, isExponential, smoothing);
  }

  /**
   * Returns the rate of a step, independent of the reports.
   *
   * @param step the number of the step, counted from 1
   * @return its rate; after the last step, the last step's rate
   * @throws IllegalArgumentException if {@code step} is less than 1
   */
  @Override
  public double rate(long step) {
    Require.step(step);
    if (step == 1) {
      return from;
    }
    double left = Annealing.left(step - 1, steps - 1);
    return isExponential
        ? to * Powers.power(from / to, left)
        : Annealing.LINEAR.between(from, to, left);
  }

  /**
   * Records the loss of the next step: the first report is for step 1, and so on.
   *
   * @param loss the loss; NaN or infinite if the training has diverged
   * @return whether the test goes on
   * @throws IllegalStateException if the test is over
   */
  public boolean report(double loss) {
    if (isDone()) {
      throw new IllegalStateException(
          "the range test is over after "
              + points.size()
              + " steps: stop when report returns false, and take result()");
    }
    average = smoothing * average + (1 - smoothing) * loss;
    weight *= smoothing;
    double smoothed = average / (1 - weight);
    points.add(new Point(rate(points.size() + 1L), loss, smoothed));
    least = Math.min(least, smoothed);
    double rise = smoothed - least;
    diverged =
        !Double.isFinite(smoothed)
            || (rise > (DIVERGED - 1) * Math.abs(least)
                && rise > Math.abs(points.get(0).loss()) / 10);
    return !isDone();
  }

  /**
   * Returns how many losses were reported.
   *
   * @return the reports, which are the steps done
   */
  public int reports() {
    return points.size();
  }

  /**
   * Returns whether the test is over: the loss has diverged, or all steps are done.
   *
   * @return whether to stop
   */
  public boolean isDone() {
    return diverged || points.size() == steps;
  }

  /**
   * Returns whether the loss has diverged.
   *
   * @return whether that is why the test is over
   */
  public boolean isDiverged() {
    return diverged;
  }

  /**
   * Returns the result of the reports so far, usually when the test is over. Equal reports give
   * equal results.
   *
   * @return the curve, the suggestions, the edge and the band, as far as the curve shows them
   */
  public Result result() {
    return new RangeCurve(points, diverged, smoothing).result();
  }

  @Override
  public String toString() {
    return "RangeTest["
        + (isExponential ? "exponential" : "linear")
        + ", from="
        + from
        + ", to="
        + to
        + ", steps="
        + steps
        + ", smoothing="
        + smoothing
        + ", reports="
        + points.size()
        + ", diverged="
        + diverged
        + "]";
  }
}
