package io.warmstep.schedule;

import io.warmstep.schedule.RangeTest.Outcome;
import io.warmstep.schedule.RangeTest.Point;
import io.warmstep.schedule.RangeTest.Result;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/** The conclusions from the curve of a {@link RangeTest}. */
final class RangeCurve {
  /** A smoothed loss that fell by no more than this many of its standard deviations is flat. */
  private static final double CERTAIN = 4;

  /** So is one that fell by no more than this fraction of its start. */
  private static final double SMALL = 0.02;

  /** The fraction of the fall after which the loss has begun to fall. */
  private static final double BEGUN = 0.05;

  /** The fraction of the fall from which a rate is worth using. */
  private static final double USEFUL = 0.1;

  /** The fraction of the fall after which a higher rate gains little. */
  private static final double NEARLY_ALL = 0.95;

  /** How far the rates of the band stay below the edge. */
  private static final double MARGIN = 2;

  /** The loss is lowest at no more than this many times the edge, as its growth shows late. */
  private static final double LATE = 10;

  /** The width of the sliding interval, as a fraction of the curve. */
  private static final double SLIDING = 0.15;

  /**
   * The difference of slopes that counts as settled, in falls over the whole length of the curve.
   */
  private static final double SETTLED = 0.3;

  private final List<Point> all;
  private final List<Point> points;
  private final boolean diverged;
  private final int count;
  private final int lowest;
  private final double start;
  private final double fall;
  private final double noise;

  RangeCurve(List<Point> all, boolean diverged, double smoothing) {
    this.all = all;
    this.diverged = diverged;
    boolean isLastFinite = all.isEmpty() || Double.isFinite(all.get(all.size() - 1).smoothed());
    count = isLastFinite ? all.size() : all.size() - 1;
    points = all.subList(0, count);
    int least = 0;
    for (int i = 1; i < count; i++) {
      least = smoothed(i) < smoothed(least) ? i : least;
    }
    lowest = least;
    start =
        points.stream().limit(Math.max(1, count / 20)).mapToDouble(Point::loss).average().orElse(0);
    fall = count == 0 ? 0 : start - smoothed(lowest);
    noise = noise() * shareOfNoise(smoothing, lowest + 1);
  }

  /**
   * The standard deviation of an average of this many losses, as a fraction of that of one loss.
   */
  private static double shareOfNoise(double smoothing, int losses) {
    double left = StrictMath.pow(smoothing, losses);
    return Math.sqrt((1 - smoothing) / (1 + smoothing) * (1 + left) / (1 - left));
  }

  private double smoothed(int i) {
    return points.get(i).smoothed();
  }

  private double rate(int i) {
    return points.get(i).rate();
  }

  /** The standard deviation of a loss from one step to the next, from the median of the changes. */
  private double noise() {
    double[] changes =
        IntStream.range(1, count)
            .mapToDouble(i -> Math.abs(points.get(i).loss() - points.get(i - 1).loss()))
            .toArray();
    return changes.length == 0 ? 0 : median(changes) / (0.6745 * Math.sqrt(2));
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }

  Result result() {
    if (!all.isEmpty() && count == 0) {
      return none(
          Outcome.NOT_FINITE,
          describe("the first loss is %s, before any rate was used", all.get(0).loss()));
    }
    if (count < RangeTest.MIN_STEPS) {
      String reason =
          diverged
              ? describe(
                  "the loss diverged after %d steps, at a rate of %.3g: begin with a lower rate",
                  all.size(), all.get(all.size() - 1).rate())
              : describe(
                  "there are only %d losses: at least %d steps are needed, better a hundred",
                  count, RangeTest.MIN_STEPS);
      return none(Outcome.TOO_FEW_STEPS, reason);
    }
    boolean isFlat = fall <= Math.max(SMALL * Math.abs(start), CERTAIN * noise);
    double risen = smoothed(count - 1) - smoothed(lowest);
    boolean hasEdge = diverged || (!isFlat && risen > fall / 2);
    OptionalDouble edge = hasEdge ? OptionalDouble.of(edge()) : OptionalDouble.empty();
    if (isFlat) {
      return new Result(
          Outcome.FLAT,
          describe(
              "the loss did not fall by more than it varies: it began at %.4g and its least is"
                  + " %.4g%s",
              start, smoothed(lowest), hasEdge ? ", before it diverged" : ""),
          all,
          OptionalDouble.empty(),
          OptionalDouble.empty(),
          OptionalDouble.empty(),
          OptionalDouble.empty(),
          edge,
          OptionalDouble.empty(),
          OptionalDouble.empty());
    }
    double low = rate(fallen(USEFUL));
    // If nothing diverges, as on separable data, the loss keeps falling forever.
    double high =
        hasEdge
            ? Math.min(rate(lowest), edge.getAsDouble() / MARGIN)
            : Math.min(rate(lowest), rate(fallen(NEARLY_ALL)));
    boolean hasBand = low < high;
    return new Result(
        hasEdge ? Outcome.FOUND : Outcome.NEVER_DIVERGED,
        describe(
            "the loss fell from %.4g to %.4g at a rate of %.3g, and %s",
            start,
            smoothed(lowest),
            rate(lowest),
            hasEdge
                ? describe("training diverges above %.3g", edge.getAsDouble())
                : describe("did not diverge up to %.3g", rate(count - 1))),
        all,
        OptionalDouble.of(valley()),
        slide(),
        OptionalDouble.of(steepest()),
        OptionalDouble.of(rate(lowest) / 10),
        edge,
        hasBand ? OptionalDouble.of(low) : OptionalDouble.empty(),
        hasBand ? OptionalDouble.of(high) : OptionalDouble.empty());
  }

  private Result none(Outcome outcome, String reason) {
    OptionalDouble no = OptionalDouble.empty();
    return new Result(outcome, reason, all, no, no, no, no, no, no, no);
  }

  /**
   * The first step from which, up to the minimum, the loss has fallen by a fraction of the fall.
   */
  private int fallen(double share) {
    int step = lowest;
    while (step > 0 && smoothed(step - 1) <= start - share * fall) {
      step--;
    }
    return step;
  }

  /** The middle of the longest falling subsequence of the falling part. */
  private double valley() {
    int from = fallen(BEGUN);
    int[] ends = new int[lowest - from + 1]; // of the subsequences of each length, less one
    int[] firsts = new int[ends.length];
    int length = 0;
    for (int i = from; i <= lowest; i++) {
      int at = 0;
      int above = length;
      while (at < above) {
        int middle = (at + above) / 2;
        if (smoothed(ends[middle]) > smoothed(i)) {
          at = middle + 1;
        } else {
          above = middle;
        }
      }
      ends[at] = i;
      firsts[at] = at == 0 ? i : firsts[at - 1];
      length = Math.max(length, at + 1);
    }
    return rate((firsts[length - 1] + ends[length - 1]) / 2);
  }

  private double steepest() {
    int from = fallen(BEGUN);
    int reach = Math.max(1, count / 40);
    int best = from;
    double greatest = 0;
    for (int i = from; i <= lowest; i++) {
      int before = Math.max(0, i - reach);
      int after = Math.min(count - 1, i + reach);
      double slope = (smoothed(before) - smoothed(after)) / (after - before);
      if (slope > greatest) {
        greatest = slope;
        best = i;
      }
    }
    return rate(best);
  }

  /** Slides an interval from the end to where the slopes at both of its ends are about equal. */
  private OptionalDouble slide() {
    int reach = Math.max(1, count / 20);
    int right = count - 1 - reach;
    int left = right - Math.max(2, (int) Math.round(SLIDING * count));
    OptionalDouble settled = OptionalDouble.empty();
    while (left >= reach && Math.abs(slope(right, reach) - slope(left, reach)) > SETTLED) {
      settled = OptionalDouble.of(rate(left));
      right--;
      left--;
    }
    return left >= reach ? settled : OptionalDouble.empty();
  }

  private double slope(int i, int reach) {
    return (smoothed(i + reach) - smoothed(i - reach)) / (2.0 * reach) / fall * count;
  }

  private double edge() {
    double[] losses = points.stream().mapToDouble(Point::loss).toArray();
    if (Arrays.stream(losses).anyMatch(loss -> loss <= 0)) {
      return rate(lowest); // growth has no meaning then
    }
    // A loss that varies by factors can look like growth long before its minimum.
    return Math.max(
        rate(lowest) / LATE,
        new RisingLoss(points.stream().mapToDouble(Point::rate).toArray(), losses).edge());
  }

  private static String describe(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }
}
