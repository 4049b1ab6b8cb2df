package io.warmstep;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.step.CapturedScale;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** The captured steps of an optimizer; one at a time may be ahead of it. */
final class Captures {
  private final List<CapturedStep> steps = new ArrayList<>();

  /** The steps' device resources, kept apart from them, so that they can be freed without them. */
  private final List<CapturedProgram> programs = new CopyOnWriteArrayList<>();

  private CapturedStep own;
  private volatile CapturedStep live; // other threads ask whether there is one
  private CapturedStep last; // that took the last step; null if it was not captured

  void add(CapturedStep step, CapturedProgram program) {
    steps.add(step);
    programs.add(program);
  }

  void forget(CapturedStep step, CapturedProgram program) {
    steps.remove(step);
    programs.remove(program);
    live = live == step ? null : live; // if it could not be asked for its counts
  }

  /** The captured step that plain steps use, of the prepared step; it waits for no step. */
  CapturedStep own(Optimizer optimizer, PreparedStep step, CapturedScale scale) {
    if (own == null || !own.isOf(step)) {
      last = last == own ? null : last;
      own = new CapturedStep(optimizer, step, step.ahead(), scale);
    }
    return own;
  }

  /** From now on the device keeps the counts. */
  void begin(CapturedStep step) {
    live = step;
    last = step;
  }

  /** Whether a device may be further than its optimizer knows. */
  boolean isLive() {
    return live != null;
  }

  /** Waits for the device and takes over its progress. */
  void settle() {
    if (live != null) {
      live.settle();
    }
  }

  /** The same; from then on the optimizer keeps the counts. */
  void suspend() {
    if (live != null) {
      CapturedStep former = live;
      former.requireNoWaitInCapture();
      try {
        former.suspend();
      } finally {
        live = null;
      }
    }
  }

  /**
   * The same for steps of the caller's graphs; plain ones go on in the order of the device's work.
   */
  void suspendGraphs() {
    if (live != own) {
      suspend();
    }
  }

  /** The same before everything is closed: if the device fails, the known progress stays. */
  void finish() {
    try {
      suspend();
    } catch (StepFailedException e) {
      live = null; // nobody continues from here
    }
  }

  /** The captured step that took the last step; null if none did, or if it is stale. */
  CapturedStep last(PreparedStep step) {
    return last == own && own != null && !own.isOf(step) ? null : last;
  }

  /** Notes a step that was not captured. */
  void otherStep() {
    last = null;
  }

  /** Closes all of them. */
  void close() {
    live = null;
    List.copyOf(steps).forEach(CapturedStep::free);
  }

  /** Frees all of their resources, and refers to none of them. */
  Runnable release() {
    List<CapturedProgram> held = programs;
    return () -> held.forEach(CapturedProgram::close);
  }
}
