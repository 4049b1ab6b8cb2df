package io.warmstep.djl;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What one {@link WarmstepOptimizer} remembers, by parameter id, wherever it lies: in the
 * optimizers that step, whose holder this asks for copies, or here, if nothing steps the parameter
 * at present. Ids are unique and fixed for the life of a parameter; names are for files and users.
 */
final class StateStore {
  private final Map<String, ParameterState> resting = new LinkedHashMap<>();
  private final long begin;
  private long steps;
  private Holder holder;

  /** Whoever has states in optimizers of its own. */
  interface Holder {
    /** Copies of the states, by parameter id. */
    Map<String, ParameterState> states();

    /** Closes the optimizers; their states are as good as lost unless they were copied. */
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

  /** The number that a parameter's steps follow that comes in the middle of a step over all. */
  long stepsBeforeThis() {
    return Math.max(begin, steps - 1);
  }

  void stepped(long number) {
    steps = Math.max(steps, number);
  }

  /** Makes a holder the one that steps; the former one's states come to rest here. */
  void passTo(Holder next) {
    if (holder != next) {
      rest();
      holder = next;
    }
  }

  boolean isHeldBy(Holder candidate) {
    return holder == candidate;
  }

  /** Takes all states here, so that the optimizers of the holder can be closed. */
  void rest() {
    if (holder != null) {
      resting.putAll(holder.states());
      holder.release();
      holder = null;
    }
  }

  Map<String, ParameterState> resting() {
    return resting;
  }

  /** Copies of all states, the held ones as they are now. */
  Map<String, ParameterState> all() {
    Map<String, ParameterState> all = new LinkedHashMap<>(resting);
    if (holder != null) {
      all.putAll(holder.states());
    }
    return all;
  }

  /** Replaces everything. */
  void replace(Map<String, ParameterState> states) {
    rest();
    resting.clear();
    resting.putAll(states);
    steps = states.values().stream().mapToLong(ParameterState::steps).max().orElse(begin);
  }
}
