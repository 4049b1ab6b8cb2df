package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.warmstep.StepFailedException;
import io.warmstep.djl.TrainerSteps.Key;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Steps of one parameter at a time, as DJL's trainer asks for them: for each parameter, and then
 * for each device, with a gradient that is a copy of its own. Each has an optimizer of its own. All
 * parameters of a trainer's step have its number, whatever they missed before.
 */
final class ParameterSteps implements StateStore.Holder {
  private final Recipe recipe;
  private final StateStore store;
  private final Function<NDArray, Device> deviceOf;
  private final Owned owned = new Owned();
  private final TrainerSteps trainerSteps = new TrainerSteps();

  /** What is to be released when the optimizer is collected; refers to none of its objects. */
  private static final class Owned implements Runnable {
    final Map<Key, Entry> entries = new LinkedHashMap<>();

    /** By parameter id, where it was updated last. */
    final Map<String, Entry> newest = new HashMap<>();

    NDManager manager;

    @Override
    public void run() {
      entries.values().forEach(Entry::close);
      entries.clear();
      newest.clear();
      if (manager != null) {
        manager.close();
        manager = null;
      }
    }
  }

  /** A bound parameter; its gradients lie in an array of ours, which stays where it is. */
  private static final class Entry {
    final Binding binding;
    final io.warmstep.Device device;
    final Binding.Member member;

    /** The array at the last update, which may be another than that bound, over its memory. */
    PtNDArray values;

    boolean hadGradient;
    long lastStep;
    long stepBefore;

    Entry(Binding binding, io.warmstep.Device device, Binding.Member member) {
      this.binding = binding;
      this.device = device;
      this.member = member;
    }

    boolean fits(io.warmstep.Device on, PtNDArray values, long number) {
      return on == device
          && member.hasValues(values)
          && binding.optimizer().stepCount() == number - 1;
    }

    void close() {
      binding.close();
      member.gradients().close();
    }
  }

  ParameterSteps(Recipe recipe, StateStore store, Function<NDArray, Device> deviceOf) {
    this.recipe = recipe;
    this.store = store;
    this.deviceOf = deviceOf;
  }

  void update(String id, String name, NDArray values, NDArray gradients) {
    PtNDArray weight = TorchArrays.usable("values of \"" + name + "\"", values);
    PtNDArray gradient = TorchArrays.usable("gradients of \"" + name + "\"", gradients);
    if (!weight.getShape().equals(gradient.getShape())) {
      throw new IllegalArgumentException(
          "gradients of \""
              + name
              + "\" are of "
              + gradient.getShape()
              + ", must be of "
              + weight.getShape()
              + " like its values");
    }
    store.checkUsable();
    store.passTo(this);

    Key key = new Key(id, deviceOf.apply(weight));
    Entry newest = owned.newest.get(id);
    boolean begins =
        trainerSteps.begins(
            key,
            this::wasFrozen,
            () -> isReplica(newest, owned.entries.containsKey(key), weight, gradient),
            this::isAfterBackward);
    long number = begins ? store.next() : store.steps();
    Entry entry = owned.entries.get(key);
    long before =
        newest == null ? 0 : newest.lastStep < number ? newest.lastStep : newest.stepBefore;
    boolean isCurrent = newest == null || (entry != null && entry.lastStep == before);
    if (!isCurrent && newest.lastStep == number) {
      // A replica that is new has missed what came before: the result is what the others have.
      TorchArrays.overwrite(weight, newest.values);
      entry = bind(key, name, weight, newest.binding.state(id), number);
    } else {
      io.warmstep.Device device = TrainingDevices.shared().of(weight.getDevice());
      if (!isCurrent || entry == null || !entry.fits(device, weight, number)) {
        Entry source = isCurrent ? entry : newest;
        ParameterState state = source == null ? store.detached().get(id) : source.binding.state(id);
        entry = bind(key, name, weight, state, number - 1);
      }
      step(entry, gradient);
      if (!isCurrent) {
        closeOthers(key);
      }
    }
    LibTorch.markChanged(weight);
    entry.values = weight;
    entry.hadGradient = weight.hasGradient();
    entry.stepBefore = before;
    entry.lastStep = number;
    owned.newest.put(id, entry);
    store.stepped(number);
    trainerSteps.updated(key, begins);
    zeroGradient(weight);
  }

  private void step(Entry entry, PtNDArray gradient) {
    TorchArrays.copy(gradient, entry.member.gradients());
    try {
      entry.binding.optimizer().step();
    } catch (StepFailedException e) {
      store.failed(e);
      throw e;
    }
  }

  private Entry bind(
      Key key, String name, PtNDArray weight, ParameterState state, long startAfter) {
    io.warmstep.Device device = TrainingDevices.shared().of(weight.getDevice());
    PtNDArray gradients = (PtNDArray) weight.zerosLike();
    Entry entry;
    try {
      NDScope.unregister(gradients);
      gradients.attach(manager());
      Binding.Member member = Binding.Member.of(key.id(), name, weight, gradients);
      Map<String, ParameterState> states = state == null ? Map.of() : Map.of(key.id(), state);
      entry =
          new Entry(
              new Binding(recipe, device, List.of(member), states, startAfter, false),
              device,
              member);
    } catch (RuntimeException | Error e) {
      gradients.close();
      throw e;
    }
    // The step itself may yet be refused, so the entry takes over what the former one knew.
    Entry former = owned.entries.put(key, entry);
    if (former == null) {
      entry.values = weight;
    } else {
      entry.values = former.values;
      entry.hadGradient = former.hadGradient;
      entry.lastStep = former.lastStep;
      entry.stepBefore = former.stepBefore;
      owned.newest.replace(key.id(), former, entry);
      former.close();
    }
    owned.newest.putIfAbsent(key.id(), entry);
    store.detached().remove(key.id());
    return entry;
  }

  /** Of a parameter that went to another device. */
  private void closeOthers(Key key) {
    owned
        .entries
        .entrySet()
        .removeIf(
            other -> {
              boolean isOther = other.getKey().id().equals(key.id()) && !other.getKey().equals(key);
              if (isOther) {
                other.getValue().close();
              }
              return isOther;
            });
  }

  private NDManager manager() {
    if (owned.manager == null) {
      owned.manager = Engine.getEngine("PyTorch").newBaseManager();
    }
    return owned.manager;
  }

  /**
   * Whether arrays are another device's of a parameter that was just updated, rather than its own
   * that went to another device between steps: the gradient is the same, the values are old. If a
   * gradient of zero has changed nothing, those of a device that is known, or the first, are.
   */
  private static boolean isReplica(
      Entry updated, boolean isKnown, PtNDArray weight, PtNDArray gradient) {
    if (updated == null
        || updated.values.isReleased()
        || !TorchArrays.contentEquals(gradient, updated.member.gradients())) {
      return false;
    }
    return !TorchArrays.contentEquals(weight, updated.values)
        || ((isKnown || updated.stepBefore == 0) && !TorchArrays.hasNonzero(gradient));
  }

  /** Whether something that this step has updated is frozen, as happens between steps only. */
  private boolean wasFrozen() {
    return anyOfThisStep(entry -> entry.hadGradient && !entry.values.hasGradient());
  }

  /** Whether autograd has added to gradients that this step has left at zero. */
  private boolean isAfterBackward() {
    return anyOfThisStep(entry -> TorchArrays.hasNonzeroGradient(entry.values));
  }

  /** Whether it is so of one of the few that are looked at. */
  private boolean anyOfThisStep(Predicate<Entry> predicate) {
    for (Key key : trainerSteps.someOfThisStep()) {
      Entry entry = owned.entries.get(key);
      if (entry != null && !entry.values.isReleased() && predicate.test(entry)) {
        return true;
      }
    }
    return false;
  }

  /** As DJL's own optimizers do: autograd adds to what is there. */
  private static void zeroGradient(PtNDArray weight) {
    if (weight.hasGradient()) {
      try (PtNDArray gradient = JniUtils.getGradient(weight)) {
        if (gradient != null) {
          JniUtils.zeroGrad(weight);
        }
      }
    }
  }

  @Override
  public ParameterState state(String id) {
    Entry entry = owned.newest.get(id);
    return entry == null ? null : entry.binding.state(id);
  }

  @Override
  public boolean has(String id) {
    return owned.newest.containsKey(id);
  }

  @Override
  public Map<String, ParameterState> states() {
    Map<String, ParameterState> states = new LinkedHashMap<>();
    owned.newest.forEach((id, entry) -> states.put(id, entry.binding.state(id)));
    return states;
  }

  @Override
  public void release() {
    owned.run();
    trainerSteps.clear();
  }

  /** What is left to do when the optimizer is collected. */
  Runnable cleanup() {
    return owned;
  }
}
