package io.warmstep;

import io.warmstep.step.StepOptions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/** The listeners of an optimizer, each with its interval and what was reported to it so far. */
final class StepListeners {
  private final Subscription[] subscriptions; // an array: iterating over it allocates nothing
  private final StepOptions options;
  private final long[] reported;
  private final long[] clipped;
  private final Deque<Step> ready = new ArrayDeque<>();

  /** A listener and how often it is called. */
  record Subscription(StepListener listener, long interval) {}

  /**
   * A step's numbers.
   *
   * @param call which call of {@link Optimizer#step()} it was, from 1
   * @param happened false if it was skipped
   * @param step the steps so far
   * @param rate the last step's
   * @param loss the last that was given
   * @param skipped the skipped steps so far
   */
  record Known(long call, boolean happened, long step, double rate, double loss, long skipped) {
    /** The step that an optimizer has just taken. */
    static Known of(long call, boolean happened, Optimizer optimizer, double loss) {
      return new Known(
          call,
          happened,
          optimizer.stepCount(),
          optimizer.learningRate(),
          loss,
          optimizer.skippedSteps());
    }

    /** The step's own rate, or NaN if it was skipped. */
    double ownRate() {
      return happened ? rate : Double.NaN;
    }
  }

  /** A step that can be reported. */
  private record Step(Known known, double norm, List<StepReport.Update> updates) {}

  /**
   * Takes listeners.
   *
   * @param options of the steps, with the rules' own clipping
   */
  StepListeners(List<Subscription> subscriptions, StepOptions options) {
    this.subscriptions = subscriptions.toArray(Subscription[]::new);
    this.options = options;
    reported = new long[this.subscriptions.length];
    clipped = new long[this.subscriptions.length];
  }

  boolean areThere() {
    return subscriptions.length > 0;
  }

  /** Whether a call is to be reported to any. */
  boolean isDue(long call) {
    for (Subscription subscription : subscriptions) {
      if (call % subscription.interval() == 0) {
        return true;
      }
    }
    return false;
  }

  /** Adds a step to those that {@link #deliver} reports, after all earlier ones. */
  void add(Known known, double norm, List<StepReport.Update> updates) {
    ready.add(new Step(known, norm, updates));
  }

  /** Delivers all of them, even if a listener fails; the first failure is thrown to the caller. */
  void deliver() {
    RuntimeException failure = null;
    while (!ready.isEmpty()) {
      Step step = ready.remove();
      for (int i = 0; i < subscriptions.length; i++) {
        if (step.known().call() % subscriptions[i].interval() == 0) {
          try {
            subscriptions[i].listener().onStep(report(step, i));
          } catch (RuntimeException e) {
            if (failure == null) {
              failure = e;
            } else {
              failure.addSuppressed(e);
            }
          }
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private StepReport report(Step step, int i) {
    Known known = step.known();
    if (known.happened()) {
      reported[i]++;
      clipped[i] += step.norm() > options.clipNorm() ? 1 : 0;
    }
    return new StepReport(
        known.step(),
        known.rate(),
        known.loss(),
        step.norm(),
        options.clipsByNorm() && reported[i] > 0 ? (double) clipped[i] / reported[i] : Double.NaN,
        known.skipped(),
        step.updates());
  }
}
