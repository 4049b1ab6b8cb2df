package io.warmstep.cli.lab;

import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.schedule.RangeTest;
import java.util.function.IntConsumer;

/** A {@link RangeTest} of a run that is made for it. */
final class RangeSweep {
  private RangeSweep() {}

  /**
   * Sweeps the rate from far too low to far too high.
   *
   * @param work where the run is done
   * @param setup the run, but for its rate
   * @param test without any reports
   * @param clipping how gradients are clipped
   * @param onStep called with 1 after each step
   */
  static RangeTest.Result of(
      Workbench work, RunSetup setup, RangeTest test, Clipping clipping, IntConsumer onStep) {
    LearningRate rate = new LearningRate(test, Double.NaN, "none", "range test", null);
    Run.Probe nothing = new Run.Probe() {};
    try (Run run = work.open(setup.rate(rate), clipping, null)) {
      boolean isGoing;
      do {
        isGoing = test.report(run.step(nothing));
        onStep.accept(1);
      } while (isGoing);
    }
    return test.result();
  }
}
