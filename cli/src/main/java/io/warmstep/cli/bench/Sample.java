package io.warmstep.cli.bench;

import java.util.Arrays;

/**
 * What rounds of a measurement gave.
 *
 * @param median of the rounds
 * @param lowest of the rounds
 * @param highest of the rounds
 */
public record Sample(double median, double lowest, double highest) {
  /**
   * Sums up rounds.
   *
   * @param rounds an odd number of values
   */
  static Sample of(double[] rounds) {
    double[] sorted = rounds.clone();
    Arrays.sort(sorted);
    return new Sample(sorted[sorted.length / 2], sorted[0], sorted[sorted.length - 1]);
  }
}
