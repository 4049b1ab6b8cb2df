package io.warmstep.cli.lab;

import io.warmstep.cli.train.History;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What a run left.
 *
 * @param setup what was run
 * @param history what was measured
 * @param isFinite whether every loss was finite
 * @param bits the final parameters' bits
 */
record Trained(RunSetup setup, History history, boolean isFinite, byte[] bits) {
  static Trained of(Run run) {
    return new Trained(run.setup(), run.history(), run.isFinite(), run.bits());
  }

  /** Infinite for a run that did not stay finite, so that it compares as the worst. */
  double trainLoss() {
    return isFinite ? history.last().train().loss() : Double.POSITIVE_INFINITY;
  }

  /** Infinite for a run that did not stay finite, so that it compares as the worst. */
  double validationLoss() {
    double loss = history.last().test().loss();
    return isFinite && !Double.isNaN(loss) ? loss : Double.POSITIVE_INFINITY;
  }

  double validationAccuracy() {
    return history.last().test().accuracy();
  }

  /** The loss ended no better than where it began, or is no longer finite. */
  boolean hasDiverged() {
    return !isFinite || history.last().train().loss() >= history.points().get(0).train().loss();
  }

  /** The middle of a figure over several. */
  static <T> double median(List<T> runs, ToDoubleFunction<T> figure) {
    return median(runs.stream().mapToDouble(figure).toArray());
  }

  static double median(double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
}
