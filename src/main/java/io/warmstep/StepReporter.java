package io.warmstep;

import java.util.List;

/** Calls the listeners of an optimizer, each at its interval. */
final class StepReporter {
  private final List<Subscription> subscriptions;
  private final double clipNorm;
  private final long[] reported;
  private final long[] clipped;
  private double loss = Double.NaN;
  private long calls;

  /** A listener and how often it wants to be called. */
  record Subscription(StepListener listener, long interval) {}

  StepReporter(List<Subscription> subscriptions, double clipNorm) {
    this.subscriptions = List.copyOf(subscriptions);
    this.clipNorm = clipNorm;
    reported = new long[subscriptions.size()];
    clipped = new long[subscriptions.size()];
  }

  void loss(double value) {
    loss = value;
  }

  /** After a call of {@link Optimizer#step()}: reads the norm only where someone listens now. */
  void afterStep(Optimizer optimizer) {
    calls++;
    for (int i = 0; i < reported.length; i++) {
      if (calls % subscriptions.get(i).interval() == 0) {
        subscriptions.get(i).listener().onStep(report(optimizer, i));
      }
    }
  }

  private StepReport report(Optimizer optimizer, int i) {
    double norm = optimizer.gradientNorm();
    reported[i]++;
    if (norm > clipNorm) {
      clipped[i]++;
    }
    return new StepReport(
        optimizer.stepCount(),
        optimizer.learningRate(),
        loss,
        norm,
        clipNorm > 0 ? (double) clipped[i] / reported[i] : Double.NaN,
        optimizer.skippedSteps());
  }
}
