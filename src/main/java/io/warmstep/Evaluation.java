package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.EvaluationWeights;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepInputs;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The evaluation weights, in the parameters' place, while the training weights are kept aside. A
 * pass on the device computes them, so that they have the same bits on every device.
 */
final class Evaluation {
  private final OptimizerState state;

  /** The training weights that are kept aside, allocated when first needed. */
  private final Map<Parameter, Tensor> aside = new HashMap<>();

  private List<Parameter> swapped = List.of();
  private boolean isOn;

  Evaluation(OptimizerState state) {
    this.state = state;
  }

  /** Whether the parameters hold the evaluation weights. */
  boolean isOn() {
    return isOn;
  }

  /**
   * Rejects an operation that needs the training weights.
   *
   * @throws EvaluationModeException if the parameters hold the evaluation weights
   */
  void requireTraining(String operation) {
    if (isOn) {
      throw new EvaluationModeException(operation);
    }
  }

  /** The tensor that holds a parameter's training weights. */
  Tensor trained(Parameter parameter) {
    return swapped.contains(parameter) ? aside.get(parameter) : parameter.values();
  }

  /**
   * Prepares the swap. It leaves out groups without such weights, and groups that have not taken a
   * step: they are evaluated with their initial weights.
   *
   * @return empty if no group has such weights; otherwise the swap, to be used once
   * @throws OutOfDeviceMemoryException if there is no room to keep weights aside; nothing changes
   */
  Optional<Swap> prepare(Parameters parameters, List<TrainedGroup> groups) {
    if (isOn || groups.stream().noneMatch(group -> weights(group.rules()).isPresent())) {
      return Optional.empty();
    }
    List<RuleGroup> changed =
        groups.stream()
            .filter(group -> group.steps() > 0 && weights(group.rules()).isPresent())
            .map(TrainedGroup::rules)
            .toList();
    List<Parameter> members = changed.stream().flatMap(group -> group.members().stream()).toList();
    state.allocateAside(members.stream().filter(p -> !aside.containsKey(p)).toList(), aside);
    return Optional.of(
        new Swap(parameters.device(), plan(parameters, changed), inputs(changed)) {
          @Override
          void run() {
            members.forEach(member -> aside.get(member).copyFrom(member.values()));
            super.run();
            swapped = members;
            isOn = true;
          }
        });
  }

  /** A prepared swap. */
  abstract static class Swap implements AutoCloseable {
    private final StepProgram program;
    private final StepInputs inputs;

    Swap(Device device, StepPlan plan, StepInputs inputs) {
      this.program = device.backend().prepare(plan);
      this.inputs = inputs;
    }

    void run() {
      program.run(inputs);
    }

    @Override
    public void close() {
      program.close();
    }
  }

  /** The rule's own, or else the average of the parameters if one is kept. */
  private Optional<EvaluationWeights> weights(RuleGroup group) {
    return group
        .rule()
        .evaluation()
        .or(
            () ->
                group.members().stream().anyMatch(member -> state.average(member).isPresent())
                    ? Optional.of(new EvaluationWeights(OptimizerState.AVERAGE, 1))
                    : Optional.empty());
  }

  private StepPlan plan(Parameters parameters, List<RuleGroup> groups) {
    return PassPlan.of(
        Interpolation.PASS,
        PassPlan.index(parameters),
        groups,
        group -> weights(group).orElseThrow().slot(),
        state);
  }

  private StepInputs inputs(List<RuleGroup> groups) {
    StepInputs inputs = new StepInputs(groups.stream().mapToInt(group -> 1).toArray());
    for (int i = 0; i < groups.size(); i++) {
      inputs.scalars(i)[0] = weights(groups.get(i)).orElseThrow().weight();
    }
    return inputs;
  }

  /** Restores the training weights, bit for bit. */
  void end() {
    swapped.forEach(parameter -> parameter.values().copyFrom(aside.get(parameter)));
    swapped = List.of();
    isOn = false;
  }
}
