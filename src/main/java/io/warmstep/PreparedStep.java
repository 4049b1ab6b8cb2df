package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.StepValues;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

/** What an optimizer does in each step, made ready on its device. */
final class PreparedStep {
  private final Parameters parameters;
  private final StepOptions options;
  private List<RuleGroup> groups;
  private StepInputs inputs;

  /** For each group. */
  private StepValues[] values;

  private StepPlan plan;
  private final AtomicReference<StepProgram> program = new AtomicReference<>();

  /** Resolves nothing on the device yet. */
  PreparedStep(Parameters parameters, List<RuleGroup> groups, StepOptions options) {
    this.parameters = parameters;
    this.groups = groups;
    this.options = options;
    inputs = inputsOf(groups);
    values = valuesOf(groups);
  }

  private static StepInputs inputsOf(List<RuleGroup> groups) {
    return new StepInputs(
        groups.stream().mapToInt(group -> group.rule().scalarNames().size()).toArray());
  }

  private static StepValues[] valuesOf(List<RuleGroup> groups) {
    return groups.stream().map(group -> group.moving().values()).toArray(StepValues[]::new);
  }

  List<RuleGroup> groups() {
    return groups;
  }

  /**
   * Checks that the arithmetic of the parameters can hold the rules' hyperparameters.
   *
   * @param number of the first step
   * @param rate the learning rate if it is constant, otherwise 0
   * @throws IllegalArgumentException if it cannot
   */
  void requireHyperparameters(long number, double rate) {
    requireHyperparameters(groups, inputs, number, rate);
  }

  private static void requireHyperparameters(
      List<RuleGroup> groups, StepInputs inputs, long number, double rate) {
    for (int i = 0; i < groups.size(); i++) {
      groups.get(i).requireHyperparameters(number, rate, inputs.scalars(i));
    }
  }

  /** Prepares the step on the device, once. */
  void prepare(OptimizerState state) {
    Map<String, Integer> index = new HashMap<>();
    for (Parameter parameter : parameters) {
      index.put(parameter.name(), index.size());
    }
    plan =
        new StepPlan(
            groups.stream().map(group -> group.plan(index, state.tensors())).toList(), options);
    program.set(parameters.device().backend().prepare(plan));
  }

  /**
   * Replaces the hyperparameters of each group; parameters and state stay.
   *
   * @param number of the next step
   * @throws IllegalArgumentException if the arithmetic of the parameters cannot hold them; nothing
   *     changes
   */
  void use(List<RuleGroup> others, long number) {
    List<StepPlan.Group> planned = new ArrayList<>();
    for (int i = 0; i < others.size(); i++) {
      planned.add(new StepPlan.Group(others.get(i).rule(), plan.groups().get(i).entries()));
    }
    StepInputs nextInputs = inputsOf(others);
    requireHyperparameters(others, nextInputs, number, 0);
    StepPlan next = new StepPlan(planned, options);
    StepProgram prepared = parameters.device().backend().prepare(next);
    program.getAndSet(prepared).close();
    plan = next;
    groups = List.copyOf(others);
    inputs = nextInputs;
    values = valuesOf(others);
  }

  /**
   * Computes what the host gives to a step.
   *
   * @param number of the step
   * @param rate the optimizer's learning rate
   * @param gradientScale what gradients are multiplied by first
   * @throws IllegalStateException if the arithmetic of the parameters cannot hold a number
   */
  void set(long number, double rate, double gradientScale) {
    for (int i = 0; i < inputs.groups(); i++) {
      RuleGroup group = groups.get(i);
      double own = group.scalars(number, rate, values[i], inputs.scalars(i));
      inputs.keepParameters(i, own == 0);
      inputs.weightDecay(i, group.rule().l2(values[i]));
    }
    inputs.gradientScale().set(gradientScale);
  }

  /** Whether the step happened, or was skipped for a non-finite gradient. */
  boolean run() {
    return program.get().run(inputs);
  }

  void zeroGradients() {
    program.get().zeroGradients();
  }

  double gradientNorm() {
    return program.get().gradientNorm();
  }

  /** What frees all that an optimizer holds and does not refer to it, nor to this. */
  Runnable releaseWith(List<Memory> allocations) {
    AtomicReference<StepProgram> held = program;
    return () -> {
      held.get().close();
      allocations.forEach(Memory::close);
    };
  }
}
