package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The arrays that a trainer trains, which are not always the parameters' own: each of its devices
 * has a replica. They are in the trainer's parameter store, which DJL hands to blocks only.
 */
final class TrainerParameters implements ParameterSource {
  private final Trainer trainer;
  private final ParameterStore store;

  TrainerParameters(Trainer trainer) {
    this.trainer = trainer;
    this.store = storeOf(trainer);
  }

  private static ParameterStore storeOf(Trainer trainer) {
    try {
      Field field = Trainer.class.getDeclaredField("parameterStore");
      field.setAccessible(true);
      return (ParameterStore) field.get(trainer);
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new IllegalStateException(
          "this version of DJL hides the trainer's parameter store: use ai.djl:api:0.36.0, or"
              + " trainer.step() instead of a ModelStep",
          e);
    }
  }

  @Override
  public Block block() {
    return trainer.getModel().getBlock();
  }

  @Override
  public Object trainer() {
    return trainer;
  }

  @Override
  public void checkOpen() {
    if (!trainer.getManager().isOpen()) {
      throw new IllegalStateException("the trainer is closed, so no step can be taken");
    }
  }

  @Override
  public List<Replicas> trained(Map<String, Parameter> named) {
    List<Replicas> trained = new ArrayList<>(named.size());
    Device[] devices = trainer.getDevices();
    named.forEach(
        (name, parameter) -> {
          if (parameter.requiresGradient()) {
            NDArray[] arrays = new NDArray[devices.length];
            for (int i = 0; i < devices.length; i++) {
              arrays[i] = store.getValue(parameter, devices[i], true);
              checkIsTheModels(name, parameter, arrays[i]);
            }
            trained.add(new Replicas(parameter.getId(), name, arrays));
          }
        });
    return trained;
  }

  /** DJL's trainer goes on with the arrays that it began with when others are loaded. */
  private static void checkIsTheModels(String name, Parameter parameter, NDArray array) {
    NDArray own = parameter.getArray();
    if (own != array && own.getDevice().equals(array.getDevice())) {
      throw new IllegalStateException(
          "the model has another array for \""
              + name
              + "\" than its trainer, whose own is the one that is trained: load parameters before"
              + " trainer.initialize(...), or make a new trainer, whose first device must be the"
              + " model's");
    }
  }

  @Override
  public void stepped(long begin) {
    trainer.addMetric("step", begin);
  }
}
