package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Steps of one parameter at a time, as DJL's trainer asks for them: for each parameter, and then
 * for each device, with a gradient that is a copy of its own. Each has an optimizer of its own;
 * that counts steps, so several devices do not count for several steps.
 */
final class ParameterSteps implements StateStore.Holder {
  private final Recipe recipe;
  private final StateStore store;
  private final Function<NDArray, Device> deviceOf;
  private final Map<Key, Entry> entries = new LinkedHashMap<>();
  private final NDManager[] manager = new NDManager[1];

  private record Key(String id, Device device) {}

  /** A bound parameter; its gradients lie in an array of ours, which stays where it is. */
  private record Entry(Binding binding, io.warmstep.Device device, Binding.Member member) {
    boolean fits(io.warmstep.Device on, PtNDArray values) {
      return on == device
          && values.getShape().equals(member.values().getShape())
          && LibTorch.dataPointer(values) == member.valuesAt();
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
    store.passTo(this);
    Key key = new Key(id, deviceOf.apply(weight));
    io.warmstep.Device device = TrainingDevices.shared().of(weight.getDevice());
    Entry entry = entries.get(key);
    if (entry == null || !entry.fits(device, weight)) {
      entry = bind(entry, device, id, name, weight);
      entries.put(key, entry);
    }
    TorchArrays.copy(gradient, entry.member.gradients());
    entry.binding.optimizer().step();
    store.stepped(entry.binding.optimizer().stepCount());
    zeroGradient(weight);
  }

  private Entry bind(
      Entry former, io.warmstep.Device device, String id, String name, PtNDArray weight) {
    ParameterState state =
        former == null ? store.resting().get(id) : former.binding.states().get(id);
    PtNDArray gradients = (PtNDArray) weight.zerosLike();
    Binding binding;
    Binding.Member member;
    try {
      gradients.attach(manager());
      member = Binding.Member.of(id, name, weight, gradients);
      binding =
          new Binding(
              recipe,
              device,
              List.of(member),
              state == null ? Map.of() : Map.of(id, state),
              state == null ? store.stepsBeforeThis() : state.steps(),
              false);
    } catch (RuntimeException | Error e) {
      gradients.close();
      throw e;
    }
    if (former != null) {
      former.close();
    }
    return new Entry(binding, device, member);
  }

  private NDManager manager() {
    if (manager[0] == null) {
      manager[0] = NDManager.newBaseManager();
    }
    return manager[0];
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

  /** One state for each parameter: those on several devices are equal. */
  @Override
  public Map<String, ParameterState> states() {
    Map<String, ParameterState> states = new HashMap<>();
    entries.forEach((key, entry) -> entry.binding.states().forEach(states::putIfAbsent));
    return states;
  }

  @Override
  public void release() {
    release(entries, manager);
  }

  /** What is left to do when the optimizer is collected; refers to none of its objects. */
  Runnable cleanup() {
    Map<Key, Entry> entries = this.entries;
    NDManager[] manager = this.manager;
    return () -> release(entries, manager);
  }

  private static void release(Map<Key, Entry> entries, NDManager[] manager) {
    entries.values().forEach(Entry::close);
    entries.clear();
    if (manager[0] != null) {
      manager[0].close();
      manager[0] = null;
    }
  }
}
