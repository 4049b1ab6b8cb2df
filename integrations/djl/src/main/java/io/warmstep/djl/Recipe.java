package io.warmstep.djl;

import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import java.util.Collection;
import java.util.List;

/**
 * How parameters are to be updated.
 *
 * @param rule of all parameters, unless their group says otherwise
 * @param schedule from the number of a step to its rate
 * @param groups chosen by parameter name
 * @param clipNorm largest global gradient norm, or 0
 * @param clipValue largest magnitude of a gradient element, or 0
 * @param scale what gradients are multiplied by first
 */
record Recipe(
    UpdateRule rule,
    Schedule schedule,
    List<ParameterGroup> groups,
    double clipNorm,
    double clipValue,
    double scale) {
  /** An optimizer of some of the model's parameters; groups of the others are left out. */
  Optimizer optimizer(
      Parameters parameters, Collection<String> names, long startAfter, boolean zeroGradients) {
    Optimizer.Builder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(schedule)
            .scaleGradients(scale)
            .startAfter(startAfter)
            .zeroGradients(zeroGradients);
    if (clipNorm > 0) {
      builder.clipNorm(clipNorm);
    }
    if (clipValue > 0) {
      builder.clipValue(clipValue);
    }
    for (ParameterGroup group : groups) {
      if (names.stream().anyMatch(group::matches)) {
        builder.group(group);
      }
    }
    return builder.build();
  }

  /** Refuses groups that match none of a model's parameters: mostly a slip in a pattern. */
  void checkGroups(Collection<String> modelNames) {
    for (ParameterGroup group : groups) {
      if (modelNames.stream().noneMatch(group::matches)) {
        throw new IllegalArgumentException(
            "group "
                + group.pattern()
                + " matches no parameter of the model: there are "
                + Names.abbreviated(modelNames));
      }
    }
  }

  /** Names of what is remembered of a parameter. */
  List<String> slots(String name) {
    UpdateRule its = rule;
    for (ParameterGroup group : groups) {
      if (group.matches(name)) {
        its = group.resolve(rule);
      }
    }
    return its.stateSlots().stream().map(StateSlot::name).toList();
  }
}
