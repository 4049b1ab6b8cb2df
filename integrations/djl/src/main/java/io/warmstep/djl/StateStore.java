package io.warmstep.djl;

import io.warmstep.StepFailedException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What one {@link WarmstepOptimizer} remembers, by parameter id, wherever it lies: in the
 * optimizers that step, whose holder this asks for copies, or here, if nothing steps the parameter
 * at present. Ids are unique and fixed for the life of a parameter; names are for files and users.
 */
final class StateStore {
  private final Map<String, ParameterState> detached = new LinkedHashMap<>();
  private final long begin;
  private long steps;
  private Holder holder;
  private Throwable failure;

  /** Whoever has states in optimizers of its own. */
  interface Holder {
    /** A copy of one state, or null if it has none. */
    ParameterState state(String id);

    /** Whether it has a state of a parameter. */
    boolean has(String id);

    /** Copies of all states, by parameter id. */
    Map<String, ParameterState> states();

    /** Closes the optimizers; their states are lost unless they were copied. */
    void release();
  }

  StateStore(long begin) {
    this.begin = begin;
    this.steps = begin;
  }

  /** The highest number of a step so far. */
  long steps() {
    return steps;
  }

  /**
   * The number of the next step.
   *
   * @throws IllegalStateException if the steps so far are as many as can be counted
   */
  long next() {
    if (steps == Long.MAX_VALUE) {
      throw new IllegalStateException(
          "stepCount is "
              + steps
              + ", must be less for another step: restore a state that counts fewer");
    }
    return steps + 1;
  }

  void stepped(long number) {
    steps = Math.max(steps, number);
  }

  /** After a step that failed nothing is right until states are restored. */
  void failed(Throwable cause) {
    failure = cause;
  }

  boolean hasFailed() {
    return failure != null;
  }

  /**
   * Checks that no step failed.
   *
   * @throws StepFailedException if one did
   */
  void checkUsable() {
    if (failure != null) {
      throw new StepFailedException(
          "an earlier step failed, so parameters and states may be partly updated: restore a saved"
              + " model and state, or use a new optimizer",
          failure);
    }
  }

  /** Makes a holder the one that steps; the former one's states are detached from it. */
  void passTo(Holder next) {
    if (holder != next) {
      detach();
      holder = next;
    }
  }

  boolean isHeldBy(Holder candidate) {
    return holder == candidate;
  }

  /** Detaches all states from the holder, so that its optimizers can be closed. */
  void detach() {
    if (holder != null) {
      Holder former = holder;
      holder = null;
      try {
        if (failure == null) {
          detached.putAll(former.states());
        }
      } catch (RuntimeException | Error e) {
        failed(e);
        throw e;
      } finally {
        former.release();
      }
    }
  }

  /** The states that no holder has; a holder removes those that it takes. */
  Map<String, ParameterState> detached() {
    return detached;
  }

  /** A copy of one state, or null if there is none. */
  ParameterState get(String id) {
    ParameterState held = holder == null ? null : holder.state(id);
    return held == null ? detached.get(id) : held;
  }

  /** Whether there is a state of a parameter. */
  boolean has(String id) {
    return detached.containsKey(id) || (holder != null && holder.has(id));
  }

  /** Copies of all states, the held ones as they are now. */
  Map<String, ParameterState> all() {
    Map<String, ParameterState> all = new LinkedHashMap<>(detached);
    if (holder != null) {
      all.putAll(holder.states());
    }
    return all;
  }

  /** Replaces everything, what a failed step left included. */
  void replace(Map<String, ParameterState> states) {
    if (holder != null) {
      holder.release();
      holder = null;
    }
    failure = null;
    detached.clear();
    detached.putAll(states);
    steps = states.values().stream().mapToLong(ParameterState::steps).max().orElse(begin);
  }
}
