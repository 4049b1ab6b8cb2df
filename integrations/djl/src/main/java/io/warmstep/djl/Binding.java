package io.warmstep.djl;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An optimizer over the memory of DJL arrays. Before each step its owner asks whether the arrays
 * still lie where they did ({@link #fits}): DJL moves an array's data when a user sets it, and a
 * step must never touch memory that was given back.
 */
final class Binding implements AutoCloseable {
  private final Device device;
  private final List<Member> members;
  private final List<Tensor> tensors = new ArrayList<>();
  private final Parameters parameters;
  private final Optimizer optimizer;

  /** A parameter and where it lies; the gradient is what the step reads, not always DJL's own. */
  record Member(
      String id,
      String name,
      PtNDArray values,
      PtNDArray gradients,
      long handle,
      long valuesAt,
      long gradsAt,
      DataType type,
      Shape shape) {
    static Member of(String id, String name, PtNDArray values, PtNDArray gradients) {
      return new Member(
          id,
          name,
          values,
          gradients,
          values.getHandle(),
          LibTorch.dataPointer(values),
          LibTorch.dataPointer(gradients),
          values.getDataType(),
          values.getShape());
    }

    /** Whether an array is the same, in the same memory: another may have that by now. */
    boolean hasValues(PtNDArray array) {
      return handle == array.getHandle()
          && valuesAt == LibTorch.dataPointer(array)
          && type == array.getDataType()
          && shape.equals(array.getShape());
    }

    boolean liesWhere(Member other) {
      return handle == other.handle
          && valuesAt == other.valuesAt
          && gradsAt == other.gradsAt
          && type == other.type
          && shape.equals(other.shape)
          && id.equals(other.id);
    }
  }

  /**
   * Binds members.
   *
   * @param states of those that have one already, by id; changed nowhere
   */
  Binding(
      Recipe recipe,
      Device device,
      List<Member> members,
      Map<String, ParameterState> states,
      long startAfter,
      boolean zeroGradients) {
    this.device = device;
    this.members = List.copyOf(members);
    try {
      parameters = parameters(members);
    } catch (RuntimeException | Error e) {
      tensors.forEach(Tensor::close);
      throw e;
    }
    try {
      optimizer = recipe.optimizer(parameters, startAfter, zeroGradients);
    } catch (RuntimeException | Error e) {
      parameters.close();
      tensors.forEach(Tensor::close);
      throw e;
    }
    try {
      // What a group has once, as under Prodigy, is written by each: the one with most steps wins.
      members.stream()
          .filter(member -> states.containsKey(member.id))
          .sorted(Comparator.comparingLong(member -> states.get(member.id).steps()))
          .forEach(member -> write(states.get(member.id), member));
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Parameters parameters(List<Member> members) {
    ParametersBuilder builder = Parameters.on(device);
    for (Member member : members) {
      builder.borrow(
          member.name,
          borrow("values of \"" + member.name + "\"", member.values),
          borrow("gradients of \"" + member.name + "\"", member.gradients));
      long[] shape = member.values.getShape().getShape();
      if (shape.length > 0) {
        builder.shape(member.name, shape);
      }
    }
    return builder.build();
  }

  private void write(ParameterState state, Member member) {
    state
        .slots()
        .forEach(
            (slot, values) -> {
              Tensor target = optimizer.state(member.name, slot);
              if (ParameterState.length(values) != target.length()) {
                throw new IllegalArgumentException(
                    "parameter \""
                        + member.name
                        + "\" has "
                        + member.shape.size()
                        + " elements, but what is remembered of it has "
                        + ParameterState.length(values)
                        + ", as it was initialized in another shape: use a new optimizer, or"
                        + " restore a state that fits");
              }
              ParameterState.write(values, target);
            });
  }

  private Tensor borrow(String what, PtNDArray array) {
    Tensor tensor = TorchArrays.borrow(what, device, array);
    tensors.add(tensor);
    return tensor;
  }

  /** Whether these are the bound parameters, in the same memory and on the same device. */
  boolean fits(Device on, List<Member> present) {
    if (on != device || present.size() != members.size()) {
      return false;
    }
    for (int i = 0; i < members.size(); i++) {
      if (!present.get(i).liesWhere(members.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** The first member whose array is closed or lies elsewhere by now, or null. */
  Member moved() {
    return members.stream()
        .filter(member -> member.values.isReleased() || !member.hasValues(member.values))
        .findFirst()
        .orElse(null);
  }

  /** Informs autograd that the members have other values. */
  void markChanged() {
    members.forEach(member -> LibTorch.markChanged(member.values));
  }

  Optimizer optimizer() {
    return optimizer;
  }

  boolean has(String id) {
    return members.stream().anyMatch(member -> member.id.equals(id));
  }

  /** A copy of one state, or null if the parameter is not bound. */
  ParameterState state(String id) {
    return members.stream()
        .filter(member -> member.id.equals(id))
        .findFirst()
        .map(this::state)
        .orElse(null);
  }

  private ParameterState state(Member member) {
    return ParameterState.of(
        optimizer.stepCount(),
        optimizer.stateNames(member.name),
        slot -> optimizer.state(member.name, slot));
  }

  /** Copies of all states, by id. */
  Map<String, ParameterState> states() {
    Map<String, ParameterState> states = new LinkedHashMap<>();
    members.forEach(member -> states.put(member.id, state(member)));
    return states;
  }

  @Override
  public void close() {
    optimizer.close();
    parameters.close();
    tensors.forEach(Tensor::close);
  }
}
