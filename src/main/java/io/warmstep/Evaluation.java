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
 * The weights to evaluate with, in the parameters' place, while those that are trained are kept
 * aside. A pass on the device forms them, so that they have the same bits on every one.
 */
final class Evaluation {
  private final OptimizerState state;

  /** Where the weights that are trained are kept, allocated when they are first needed. */
  private final Map<Parameter, Tensor> aside = new HashMap<>();

  private List<Parameter> swapped = List.of();
  private boolean isOn;

  Evaluation(OptimizerState state) {
    this.state = state;
  }

  /** Whether the parameters hold the weights to evaluate with. */
  boolean isOn() {
    return isOn;
  }

  /**
   * Refuses what needs the weights that are trained.
   *
   * @throws EvaluationModeException if the parameters hold others
   */
  void requireTraining(String operation) {
    if (isOn) {
      throw new EvaluationModeException(operation);
    }
  }

  /** Where the weights of a parameter are that are trained. */
  Tensor trained(Parameter parameter) {
    return swapped.contains(parameter) ? aside.get(parameter) : parameter.values();
  }

  /**
   * Makes the swap ready. Groups without such weights are no part of it, nor are those that have
   * not done a step: what they are to be evaluated with is what they start from.
   *
   * @return none if no group has such weights; else what does the swap, once
   * @throws OutOfDeviceMemoryException if there is no room for the weights aside; nothing changes
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

  /** A swap that is ready. */
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

  /** Puts the weights that are trained back, bit by bit. */
  void end() {
    swapped.forEach(parameter -> parameter.values().copyFrom(aside.get(parameter)));
    swapped = List.of();
    isOn = false;
  }
}
