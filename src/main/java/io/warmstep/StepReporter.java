package io.warmstep;

import io.warmstep.backend.BackendDevice;
import io.warmstep.step.StepOptions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Calls the listeners of an optimizer, each at its interval. The data for a report is kept on the
 * device and read once it is ready, so that a device continues meanwhile: a report is delivered by
 * the first step that finds it ready, or when it is waited for.
 */
final class StepReporter {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  /** Steps that may be kept on the device at a time: a finished one and an unfinished one. */
  private static final int MOST_SNAPSHOTS = 2;

  private final Subscription[] subscriptions; // an array: iterating over it allocates nothing
  private final StepOptions options;
  private final boolean measuresUpdates;
  private final long[] reported;
  private final long[] clipped;
  private double loss = Double.NaN;
  private long calls;

  private final List<StepSnapshot> free = new ArrayList<>();
  private final Deque<Outstanding> outstanding = new ArrayDeque<>();
  private final Deque<Step> ready = new ArrayDeque<>();
  private StepSnapshot current;

  /** Frees the existing snapshots; refers to nothing else. */
  private final List<Runnable> releases = new ArrayList<>();

  /** A listener and how often it is called. */
  record Subscription(StepListener listener, long interval) {}

  /** The host's numbers of a step when it was enqueued. */
  private record Known(
      long call, boolean happened, long step, double rate, double loss, long skipped) {}

  /** A step that is kept on the device. */
  private record Outstanding(Known known, StepSnapshot snapshot) {}

  /** A step whose numbers were read. */
  private record Step(Known known, double norm, List<StepReport.Update> updates) {}

  StepReporter(List<Subscription> subscriptions, StepOptions options, boolean measuresUpdates) {
    this.subscriptions = subscriptions.toArray(Subscription[]::new);
    this.options = options;
    this.measuresUpdates = measuresUpdates;
    reported = new long[this.subscriptions.length];
    clipped = new long[this.subscriptions.length];
  }

  boolean hasListeners() {
    return subscriptions.length > 0;
  }

  void loss(double value) {
    loss = value;
  }

  /**
   * Before a step: copies the data that it overwrites if it is to be reported.
   *
   * @throws OutOfDeviceMemoryException if there is no room for that, and nothing to wait for
   */
  void begin(BackendDevice device, PreparedStep step) {
    if (isNextDue()) {
      current = current == null ? takeFree(device, step) : current; // of a step that failed
      if (!current.fits(step)) {
        discard(current);
        current = null;
        current = takeFree(device, step);
      }
      current.beforeStep();
    }
  }

  /** Whether the next step is to be reported. */
  boolean isNextDue() {
    for (Subscription subscription : subscriptions) {
      if ((calls + 1) % subscription.interval() == 0) {
        return true;
      }
    }
    return false;
  }

  private StepSnapshot takeFree(BackendDevice device, PreparedStep step) {
    while (true) {
      while (!free.isEmpty()) {
        StepSnapshot snapshot = free.remove(free.size() - 1);
        if (snapshot.fits(step)) {
          return snapshot;
        }
        discard(snapshot);
      }
      if (releases.size() < MOST_SNAPSHOTS) {
        try {
          StepSnapshot snapshot =
              new StepSnapshot(device, step, measuresUpdates, options.zeroGradients());
          releases.add(snapshot.release());
          return snapshot;
        } catch (OutOfDeviceMemoryException e) {
          if (outstanding.isEmpty()) {
            throw e;
          }
        }
      }
      awaitOldest();
    }
  }

  private void discard(StepSnapshot snapshot) {
    releases.remove(snapshot.release());
    snapshot.close();
  }

  /**
   * After a step: delivers the reports that are ready, of this step and earlier ones.
   *
   * @param happened whether it did, if it is to be reported
   */
  void end(Optimizer optimizer, PreparedStep step, boolean happened) {
    calls++;
    if (current != null) {
      current.afterStep(step);
      Known known =
          new Known(
              calls,
              happened,
              optimizer.stepCount(),
              optimizer.learningRate(),
              loss,
              optimizer.skippedSteps());
      outstanding.add(new Outstanding(known, current));
      current = null;
    }
    while (!outstanding.isEmpty() && outstanding.element().snapshot().isReached()) {
      read(outstanding.remove());
    }
    deliver();
  }

  /** Waits for outstanding reports and delivers all. */
  void flush() {
    while (!outstanding.isEmpty()) {
      awaitOldest();
    }
    deliver();
  }

  /** The same before the end: reports that a failed device cannot supply are lost. */
  void finish() {
    try {
      flush();
    } catch (DeviceException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the reports of " + (1 + outstanding.size()) + " steps are lost, as the device failed",
          e);
      outstanding.clear();
      deliver();
    }
  }

  private void awaitOldest() {
    Outstanding oldest = outstanding.remove();
    oldest.snapshot().await();
    read(oldest);
  }

  private void read(Outstanding step) {
    try {
      Known known = step.known();
      double rate = known.happened() ? known.rate() : Double.NaN;
      ready.add(new Step(known, step.snapshot().norm(), step.snapshot().updates(rate)));
    } finally {
      free.add(step.snapshot());
    }
  }

  /** Delivers all of them, even if a listener fails; the first failure is thrown to the caller. */
  private void deliver() {
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

  /** Frees the data kept on the device. Refers to no listener, and to nothing else. */
  List<Runnable> releases() {
    return releases;
  }
}
