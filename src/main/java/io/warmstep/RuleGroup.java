package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Parameters of an optimizer under one rule. */
record RuleGroup(UpdateRule rule, double learningRateFactor, List<Parameter> members) {
  /**
   * Finds each parameter's group. Those of no group come last, under the optimizer's own rule.
   *
   * @throws IllegalArgumentException if a group matches no parameter, or two match the same one, or
   *     one has a rule of another kind
   */
  static List<RuleGroup> resolve(
      UpdateRule rule, List<ParameterGroup> groups, Parameters parameters) {
    List<List<Parameter>> members = new ArrayList<>();
    for (int i = 0; i <= groups.size(); i++) {
      members.add(new ArrayList<>());
    }
    for (Parameter parameter : parameters) {
      members.get(indexOf(parameter, groups)).add(parameter);
    }
    List<RuleGroup> resolved = new ArrayList<>();
    for (int i = 0; i < groups.size(); i++) {
      ParameterGroup group = groups.get(i);
      if (members.get(i).isEmpty()) {
        throw new IllegalArgumentException(
            "group "
                + group.pattern()
                + " matches no parameter: there are "
                + parameters.abbreviatedNames());
      }
      resolved.add(new RuleGroup(group.resolve(rule), group.learningRateFactor(), members.get(i)));
    }
    List<Parameter> rest = members.get(groups.size());
    if (!rest.isEmpty()) {
      resolved.add(new RuleGroup(rule, 1, rest));
    }
    return resolved;
  }

  private static int indexOf(Parameter parameter, List<ParameterGroup> groups) {
    int found = groups.size();
    for (int i = 0; i < groups.size(); i++) {
      if (groups.get(i).matches(parameter.name())) {
        if (found < groups.size()) {
          throw new IllegalArgumentException(
              "parameter \""
                  + parameter.name()
                  + "\" matches groups "
                  + groups.get(found).pattern()
                  + " and "
                  + groups.get(i).pattern()
                  + ", must match one at most");
        }
        found = i;
      }
    }
    return found;
  }

  /**
   * This group's part of a step.
   *
   * @param index of each parameter in the order of all
   * @param state tensors by the names of parameter and slot
   */
  StepPlan.Group plan(Map<String, Integer> index, Map<String, Map<String, Tensor>> state) {
    List<StepPlan.Entry> entries = new ArrayList<>();
    for (Parameter parameter : members) {
      Map<String, Tensor> slots = state.get(parameter.name());
      List<MemorySlice> slices =
          rule.stateSlots().stream().map(slot -> slots.get(slot.name()).slice()).toList();
      entries.add(
          new StepPlan.Entry(
              index.get(parameter.name()),
              parameter.length(),
              parameter.values().slice(),
              parameter.gradients().slice(),
              slices));
    }
    return new StepPlan.Group(rule, entries);
  }
}
