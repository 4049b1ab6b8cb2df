package io.warmstep.benchmarks.peers;

import java.util.Arrays;

/** Two things timed in turns, so that what else the machine does meets both. */
final class Turns {
  private static final int WARM_UP_ROUNDS = 4;
  private static final int ROUNDS = 15;

  /** What is timed, and what has to be done before each time. */
  interface Work {
    void prepare();

    void run();
  }

  private final double[] first = new double[ROUNDS];
  private final double[] second = new double[ROUNDS];

  /** Runs both in each round. */
  Turns(Work one, Work other) {
    for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      int at = Math.max(round, 0);
      first[at] = nanos(one);
      second[at] = nanos(other);
    }
  }

  private static double nanos(Work work) {
    work.prepare();
    long start = System.nanoTime();
    work.run();
    return System.nanoTime() - start;
  }

  /** Median of the first's times, in milliseconds. */
  double firstMillis() {
    return at(0.5, first) / 1e6;
  }

  /** Median of the second's times, in milliseconds. */
  double secondMillis() {
    return at(0.5, second) / 1e6;
  }

  /** A quantile, from 0 to 1, of the second's time divided by the first's in the same round. */
  double ratio(double quantile) {
    double[] ratios = new double[ROUNDS];
    Arrays.setAll(ratios, i -> second[i] / first[i]);
    return at(quantile, ratios);
  }

  private static double at(double quantile, double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[(int) Math.round(quantile * (sorted.length - 1))];
  }
}
