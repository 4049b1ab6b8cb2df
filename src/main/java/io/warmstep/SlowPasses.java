package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.SlowWeights;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepInputs;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Interpolates the parameters of groups with their slow weights, each every few of its steps. One
 * pass is over all such groups, and its inputs say which of them stay as they are.
 */
final class SlowPasses {
  private final List<RuleGroup> groups = new ArrayList<>();
  private final int[] ofStep; // for each of these its index among the step's
  private final long[] periods;
  private final OptimizerState state;
  private final StepProgram program; // null if no group has slow weights
  private final StepInputs inputs;

  /**
   * Prepares the pass on the device.
   *
   * @param stepped the groups of the step, with slow weights or without
   */
  SlowPasses(
      Parameters all,
      Map<Parameter, Integer> index,
      List<TrainedGroup> stepped,
      OptimizerState state) {
    this.state = state;
    List<Integer> places = new ArrayList<>();
    for (int i = 0; i < stepped.size(); i++) {
      RuleGroup rules = stepped.get(i).rules();
      if (rules.rule().slowWeights().isPresent()) {
        groups.add(rules);
        places.add(i);
      }
    }
    ofStep = places.stream().mapToInt(Integer::intValue).toArray();
    periods = groups.stream().mapToLong(group -> weights(group).period()).toArray();
    inputs = newInputs();
    program = groups.isEmpty() ? null : all.device().backend().prepare(plan(index));
  }

  /** The pass; of no groups if none has slow weights. */
  StepPlan plan(Map<Parameter, Integer> index) {
    return PassPlan.of(
        Interpolation.LOOKAHEAD, index, groups, group -> weights(group).slot(), state);
  }

  private static SlowWeights weights(RuleGroup group) {
    return group.rule().slowWeights().orElseThrow();
  }

  /** Room for the numbers of the pass. */
  StepInputs newInputs() {
    StepInputs room = new StepInputs(groups.stream().mapToInt(group -> 1).toArray());
    for (int i = 0; i < groups.size(); i++) {
      room.scalars(i)[0] = weights(groups.get(i)).weight();
    }
    return room;
  }

  /** Follows rebound memory; false if the pass must be prepared again. */
  boolean rebind(Map<Parameter, Integer> index) {
    return program == null || program.rebind(plan(index));
  }

  /** Whether a group's pass follows so many of its steps; false without slow weights. */
  static boolean isAfter(RuleGroup group, long steps) {
    return group.rule().slowWeights().isPresent() && steps % weights(group).period() == 0;
  }

  /**
   * Computes of which groups the pass follows a step. Allocates nothing.
   *
   * @param step the inputs of the step
   * @param to receives those of the pass
   */
  void fill(StepInputs step, StepInputs to) {
    for (int i = 0; i < ofStep.length; i++) {
      int group = ofStep[i];
      boolean isDue = step.step(group) % periods[i] == 0 && !step.keepsParameters(group);
      to.keepParameters(i, !isDue);
    }
  }

  /** After a step that happened, with these inputs. Allocates nothing. */
  void run(StepInputs step) {
    fill(step, inputs);
    boolean isDue = false;
    for (int i = 0; i < ofStep.length; i++) {
      isDue |= !inputs.keepsParameters(i);
    }
    if (isDue) {
      program.run(inputs);
    }
  }

  /** What the device runs, which refers to no parameters; null if no group has slow weights. */
  StepProgram program() {
    return program;
  }
}
