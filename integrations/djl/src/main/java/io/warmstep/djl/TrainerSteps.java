package io.warmstep.djl;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Where one step of a trainer ends and the next begins. DJL does not say: it calls an optimizer for
 * each parameter that is trained, mostly in the order of the step before, and for each of a
 * parameter's devices right after the other.
 */
final class TrainerSteps {
  /** Of a step with hundreds of parameters, enough to see that it is over. */
  private static final int SOME = 8;

  private List<Key> former = List.of();
  private final Set<Key> current = new LinkedHashSet<>();
  private final Set<String> currentIds = new HashSet<>();
  private final List<Key> some = new ArrayList<>();
  private Key last;
  private int lastInFormer = -1;

  /** A parameter on one of the trainer's devices. */
  record Key(String id, Device device) {}

  /**
   * Whether an update is the first of a step.
   *
   * @param key what is about to be updated
   * @param wasFrozen whether something that the step has updated is not trained any more
   * @param isReplica whether its gradient is that of the update just before, of the same parameter
   * @param isAfterBackward whether there was a backward pass since the step's updates
   */
  boolean begins(
      Key key,
      BooleanSupplier wasFrozen,
      BooleanSupplier isReplica,
      BooleanSupplier isAfterBackward) {
    if (current.isEmpty() || current.contains(key) || wasFrozen.getAsBoolean()) {
      return true;
    }
    if (follows(key)) {
      return false;
    }
    if (key.id.equals(last.id)) {
      return !isReplica.getAsBoolean();
    }
    return currentIds.contains(key.id) || isAfterBackward.getAsBoolean();
  }

  private boolean follows(Key key) {
    return lastInFormer >= 0
        && lastInFormer + 1 < former.size()
        && former.get(lastInFormer + 1).equals(key);
  }

  /** Notes that an update took place. */
  void updated(Key key, boolean begins) {
    if (begins) {
      former = new ArrayList<>(current);
      current.clear();
      currentIds.clear();
      lastInFormer = -1;
    }
    lastInFormer = follows(key) ? lastInFormer + 1 : former.indexOf(key);
    current.add(key);
    currentIds.add(key.id);
    last = key;
    if (begins) {
      some.clear();
    }
    if (some.size() > SOME) {
      some.remove(SOME);
    }
    some.add(key);
  }

  /** What was updated last, and some of what the same step updated before. */
  List<Key> someOfThisStep() {
    return some;
  }

  void clear() {
    former = List.of();
    current.clear();
    currentIds.clear();
    some.clear();
    last = null;
    lastInFormer = -1;
  }
}
