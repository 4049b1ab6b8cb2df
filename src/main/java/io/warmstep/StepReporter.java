package io.warmstep;

import io.warmstep.step.StepOptions;
import java.util.List;

/** Calls the listeners of an optimizer, each at its interval. */
final class StepReporter {
  private final Subscription[] subscriptions; // an array: going through it allocates nothing
  private final StepOptions options;
  private final boolean measuresUpdates;
  private final long[] reported;
  private final long[] clipped;
  private double loss = Double.NaN;
  private long calls;

  /** A listener and how often it is called. */
  record Subscription(StepListener listener, long interval) {}

  StepReporter(List<Subscription> subscriptions, StepOptions options, boolean measuresUpdates) {
    this.subscriptions = subscriptions.toArray(Subscription[]::new);
    this.options = options;
    this.measuresUpdates = measuresUpdates;
    reported = new long[this.subscriptions.length];
    clipped = new long[this.subscriptions.length];
  }

  void loss(double value) {
    loss = value;
  }

  /** Before a step: what measures it, or null if nobody wants to know. */
  UpdateMeter begin(List<TrainedGroup> groups) {
    if (measuresUpdates) {
      for (Subscription subscription : subscriptions) {
        if ((calls + 1) % subscription.interval() == 0) {
          return UpdateMeter.begin(groups, options.zeroGradients());
        }
      }
    }
    return null;
  }

  /**
   * After a step: reads the norm and the update only if a report is due.
   *
   * @param meter what {@link #begin} returned
   */
  void end(Optimizer optimizer, boolean happened, UpdateMeter meter) {
    calls++;
    List<StepReport.Update> updates =
        meter == null ? List.of() : meter.updates(happened ? optimizer.learningRate() : Double.NaN);
    for (int i = 0; i < reported.length; i++) {
      if (calls % subscriptions[i].interval() == 0) {
        subscriptions[i].listener().onStep(report(optimizer, happened, updates, i));
      }
    }
  }

  private StepReport report(
      Optimizer optimizer, boolean happened, List<StepReport.Update> updates, int i) {
    double norm = optimizer.gradientNorm();
    if (happened) {
      reported[i]++;
      clipped[i] += norm > options.clipNorm() ? 1 : 0;
    }
    return new StepReport(
        optimizer.stepCount(),
        optimizer.learningRate(),
        loss,
        norm,
        options.clipsByNorm() && reported[i] > 0 ? (double) clipped[i] / reported[i] : Double.NaN,
        optimizer.skippedSteps(),
        updates);
  }
}
