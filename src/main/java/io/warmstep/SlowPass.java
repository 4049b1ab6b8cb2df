package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.SlowWeights;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepInputs;
import java.util.List;
import java.util.Map;

/** Interpolates the parameters of a group with its slow weights, every few steps. */
final class SlowPass implements AutoCloseable {
  private final RuleGroup rules;
  private final OptimizerState state;
  private final long period;
  private final StepProgram program;
  private final StepInputs inputs = new StepInputs(1);

  /** Prepares the pass on the device, for a group whose rule has slow weights. */
  SlowPass(Parameters all, Map<Parameter, Integer> index, RuleGroup rules, OptimizerState state) {
    SlowWeights weights = rules.rule().slowWeights().orElseThrow();
    this.rules = rules;
    this.state = state;
    period = weights.period();
    inputs.scalars(0)[0] = weights.weight();
    program = all.device().backend().prepare(plan(index));
  }

  private StepPlan plan(Map<Parameter, Integer> index) {
    return PassPlan.of(
        Interpolation.LOOKAHEAD,
        index,
        List.of(rules),
        group -> group.rule().slowWeights().orElseThrow().slot(),
        state);
  }

  /** Follows rebound memory; false if the pass must be prepared again. */
  boolean rebind(Map<Parameter, Integer> index) {
    return program.rebind(plan(index));
  }

  /** Whether it follows so many steps of the group. */
  boolean isAfter(long steps) {
    return steps % period == 0;
  }

  /** After a step of the group that happened. Allocates nothing. */
  void run(long steps) {
    if (isAfter(steps)) {
      program.run(inputs);
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
