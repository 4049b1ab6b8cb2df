package io.warmstep.djl;

import ai.djl.pytorch.engine.PtNDArray;
import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import java.util.ArrayList;
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
      String id, String name, PtNDArray values, PtNDArray gradients, long valuesAt, long gradsAt) {
    static Member of(String id, String name, PtNDArray values, PtNDArray gradients) {
      return new Member(
          id,
          name,
          values,
          gradients,
          LibTorch.dataPointer(values),
          LibTorch.dataPointer(gradients));
    }

    boolean liesWhere(Member other) {
      return valuesAt == other.valuesAt && gradsAt == other.gradsAt && id.equals(other.id);
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
    Parameters.Builder builder = Parameters.on(device);
    for (Member member : members) {
      builder.borrow(
          member.name,
          borrow("values of \"" + member.name + "\"", member.values),
          borrow("gradients of \"" + member.name + "\"", member.gradients));
    }
    parameters = builder.build();
    try {
      optimizer =
          recipe.optimizer(
              parameters, members.stream().map(Member::name).toList(), startAfter, zeroGradients);
    } catch (RuntimeException | Error e) {
      parameters.close();
      throw e;
    }
    try {
      for (Member member : members) {
        if (states.containsKey(member.id)) {
          states
              .get(member.id)
              .slots()
              .forEach(
                  (slot, values) ->
                      ParameterState.write(values, optimizer.state(member.name, slot)));
        }
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
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

  Optimizer optimizer() {
    return optimizer;
  }

  /** Copies of all states, by id. */
  Map<String, ParameterState> states() {
    Map<String, ParameterState> states = new LinkedHashMap<>();
    for (Member member : members) {
      states.put(
          member.id,
          ParameterState.of(
              optimizer.stepCount(),
              optimizer.stateNames(member.name),
              slot -> optimizer.state(member.name, slot)));
    }
    return states;
  }

  @Override
  public void close() {
    optimizer.close();
    parameters.close();
    tensors.forEach(Tensor::close);
  }
}
