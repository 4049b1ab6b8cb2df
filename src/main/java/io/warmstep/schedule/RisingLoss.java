package io.warmstep.schedule;

/** The end of a {@link RangeTest}'s curve, where the loss rises for good. */
final class RisingLoss {
  /** A loss this many times the minimum has risen beyond its variation. */
  private static final double CLEARLY = 2;

  private static final int BISECTIONS = 80;

  private final double[] rates;
  private final double[] losses;

  /**
   * Takes a curve.
   *
   * @param rates the rates of some steps, rising
   * @param losses the losses before these steps, finite and above 0
   */
  RisingLoss(double[] rates, double[] losses) {
    this.rates = rates;
    this.losses = losses;
  }

  /**
   * The rate above which the loss grows. The growth shows late: when the rate passes the edge, the
   * growing part is tiny, since lower rates have shrunk it. But the speed of the growth, once
   * visible, shows where it began. Along a direction of curvature c a step of plain SGD at some
   * rate multiplies the loss by {@code (rate × c - 1)^2}. So c is chosen such that the steps of the
   * rise together give the observed factor, and the edge is 2 / c.
   *
   * @return the edge, at most the last rate
   */
  double edge() {
    int end = losses.length - 1;
    int from = Math.max(0, Math.min(begin(), end - 1));
    double growth = StrictMath.log(above(end, from)) - StrictMath.log(above(from, from));
    // The growth rises with c from zero, where the first step would leave no loss at all.
    double low = 1 / rates[from];
    double high = 2 * low;
    while (growth(from, end, high) < growth) {
      high *= 2;
    }
    for (int i = 0; i < BISECTIONS; i++) {
      double middle = (low + high) / 2;
      if (growth(from, end, middle) < growth) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return Math.min(2 / high, rates[end]);
  }

  /** A loss without its non-growing part, if the rise begins far enough above that part. */
  private double above(int step, int from) {
    double least = StrictMath.exp(leastLogarithm());
    return losses[step] - (losses[from] > CLEARLY * least ? least : 0);
  }

  /** The logarithm of the steps' factor on the loss, from one step to before another. */
  private double growth(int from, int end, double curvature) {
    double sum = 0;
    for (int i = from; i < end; i++) {
      sum += 2 * StrictMath.log(rates[i] * curvature - 1);
    }
    return sum;
  }

  /**
   * The step after the last one whose loss is not clearly above the minimum, nor above the middle
   * between the minimum and the last loss, in logarithms: below that, directions that do not grow
   * may still matter.
   */
  private int begin() {
    double least = leastLogarithm();
    double middle = (least + StrictMath.log(losses[losses.length - 1])) / 2;
    double level = Math.max(CLEARLY * StrictMath.exp(least), StrictMath.exp(middle));
    int begin = losses.length;
    while (begin > 0 && losses[begin - 1] > level) {
      begin--;
    }
    return begin;
  }

  /**
   * The lowest of the logarithms' means over a few steps each, which a later rise does not affect.
   */
  private double leastLogarithm() {
    int before = losses.length / 100;
    double least = Double.POSITIVE_INFINITY;
    for (int i = before; i < losses.length; i++) {
      double sum = 0;
      for (int j = i - before; j <= i; j++) {
        sum += StrictMath.log(losses[j]);
      }
      least = Math.min(least, sum / (before + 1));
    }
    return least;
  }
}
