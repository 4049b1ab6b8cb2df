package io.warmstep;

import io.warmstep.backend.BackendDevice;
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
  private static final int MAX_SNAPSHOTS = 2;

  private final StepListeners listeners;
  private final boolean zeroesGradients;
  private final boolean measuresUpdates;
  private double loss = Double.NaN;
  private long calls;

  private final List<StepSnapshot> free = new ArrayList<>();
  private final Deque<Outstanding> outstanding = new ArrayDeque<>();
  private StepSnapshot current;

  /** Frees the existing snapshots; refers to nothing else. */
  private final List<Runnable> releases = new ArrayList<>();

  /**
   * A step that is kept on the device.
   *
   * @param known its numbers; null if the device alone knows whether it happened
   */
  private record Outstanding(
      long call, double loss, StepListeners.Known known, StepSnapshot snapshot) {}

  StepReporter(StepListeners listeners, boolean zeroesGradients, boolean measuresUpdates) {
    this.listeners = listeners;
    this.zeroesGradients = zeroesGradients;
    this.measuresUpdates = measuresUpdates;
  }

  boolean hasListeners() {
    return listeners.areThere();
  }

  void loss(double value) {
    loss = value;
  }

  /**
   * Before a step: prepares to measure it if it is to be reported.
   *
   * @param isAhead whether the device decides if it happens, and nobody waits for that
   * @throws OutOfDeviceMemoryException if there is no room for that, and nothing to wait for
   */
  void begin(BackendDevice device, PreparedStep step, boolean isAhead) {
    if (isNextDue()) {
      current = current == null ? takeFree(device, step) : current; // of a step that failed
      if (!current.fits(step)) {
        discard(current);
        current = null;
        current = takeFree(device, step);
      }
      current.prepare(step, isAhead);
    }
  }

  /** Copies the data that the step overwrites, once its gradients are there. */
  void beforeStep() {
    if (current != null) {
      current.beforeStep();
    }
  }

  /** Whether the next step is to be reported. */
  boolean isNextDue() {
    return listeners.isDue(calls + 1);
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
      if (releases.size() < MAX_SNAPSHOTS) {
        try {
          StepSnapshot snapshot = new StepSnapshot(device, step, measuresUpdates, zeroesGradients);
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
      StepListeners.Known known = StepListeners.Known.of(calls, happened, optimizer, loss);
      outstanding.add(new Outstanding(calls, loss, known, current));
      current = null;
    }
    deliverReached();
  }

  /** The same after a step of which only the device knows whether it happened. */
  void endAhead(PreparedStep step, CapturedStep own) {
    calls++;
    if (current != null) {
      current.afterStep(step, own);
      outstanding.add(new Outstanding(calls, loss, null, current));
      current = null;
    }
    deliverReached();
  }

  private void deliverReached() {
    while (!outstanding.isEmpty() && outstanding.element().snapshot().isReached()) {
      read(outstanding.remove());
    }
    listeners.deliver();
  }

  /** Waits for outstanding reports and delivers all. */
  void flush() {
    while (!outstanding.isEmpty()) {
      awaitOldest();
    }
    listeners.deliver();
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
      listeners.deliver();
    }
  }

  private void awaitOldest() {
    Outstanding oldest = outstanding.remove();
    oldest.snapshot().await();
    read(oldest);
  }

  private void read(Outstanding step) {
    try {
      StepSnapshot snapshot = step.snapshot();
      StepListeners.Known known =
          step.known() == null ? snapshot.known(step.call(), step.loss()) : step.known();
      List<StepReport.Update> updates =
          snapshot.updates(snapshot.sums(known.happened()), known.ownRate());
      listeners.add(known, snapshot.norm(), updates);
    } finally {
      free.add(step.snapshot());
    }
  }

  /** Frees the data kept on the device. Refers to no listener, and to nothing else. */
  List<Runnable> releases() {
    return releases;
  }
}
