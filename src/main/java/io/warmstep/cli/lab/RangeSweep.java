package io.warmstep.cli.lab;

/** TEMPORARY until RangeTest. */
record RangeSweep(
    double[] rates,
    double[] losses,
    double[] smoothed,
    double valley,
    double slide,
    double steepest,
    double minimumOverTen,
    double divergence,
    double low,
    double high,
    String problem) {

  static RangeSweep of(Workbench work, RunSetup setup, double from, double to, int steps) {
    double[] rates = new double[steps];
    for (int i = 0; i < steps; i++) {
      rates[i] = from * StrictMath.pow(to / from, (double) i / (steps - 1));
    }
    RunSetup swept =
        setup.rate(
            new io.warmstep.cli.train.LearningRate(
                step -> rates[(int) step - 1], to, "none", "sweep", null));
    double[] losses = new double[steps];
    double[] smoothed = new double[steps];
    double mean = 0;
    int n = 0;
    double least = Double.POSITIVE_INFINITY;
    int at = 0;
    try (Run run = work.open(swept)) {
      for (int i = 0; i < steps; i++) {
        double loss = run.step(new Run.Probe() {});
        work.onStep().accept(1);
        if (!run.isFinite()) {
          break;
        }
        mean = 0.9 * mean + 0.1 * loss;
        losses[i] = loss;
        smoothed[i] = mean / (1 - Math.pow(0.9, i + 1));
        n = i + 1;
        if (smoothed[i] < least) {
          least = smoothed[i];
          at = i;
        }
        if (smoothed[i] > 4 * least) {
          break;
        }
      }
    }
    return new RangeSweep(
        java.util.Arrays.copyOf(rates, n),
        java.util.Arrays.copyOf(losses, n),
        java.util.Arrays.copyOf(smoothed, n),
        rates[at] / 4,
        rates[at] / 6,
        rates[at] / 8,
        rates[at] / 10,
        n < steps ? rates[n - 1] : Double.NaN,
        rates[at] / 30,
        rates[at],
        "");
  }
}
