package io.warmstep.djl;

import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * How parameters are to be updated.
 *
 * @param rule of all parameters, unless their group says otherwise
 * @param schedule from the number of a step to its rate
 * @param moving hyperparameters that schedules move
 * @param groups chosen by parameter name
 * @param options what a step does besides its rule, by name
 */
record Recipe(
    UpdateRule rule,
    Schedule schedule,
    Map<String, Schedule> moving,
    List<ParameterGroup> groups,
    Map<String, Option> options) {
  /**
   * Something that a step does besides its rule.
   *
   * @param needsAllGradients whether it looks at the gradients of all parameters before it updates
   *     any
   * @param setting the call on Warmstep's own builder
   */
  record Option(boolean needsAllGradients, UnaryOperator<OptimizerBuilder> setting) {}

  /**
   * What must look at the gradients of all parameters before it updates any, as a subject for
   * messages.
   */
  Optional<String> needsAllGradients() {
    for (Map.Entry<String, Option> option : options.entrySet()) {
      if (option.getValue().needsAllGradients()) {
        return Optional.of(option.getKey());
      }
    }
    for (UpdateRule each : rules()) {
      if (each.clipNorm() > 0) {
        return Optional.of("rule " + each.name() + ", which clips by the global norm,");
      }
      if (each.sums().map(TensorSums::areOfGroup).orElse(false)) {
        return Optional.of("rule " + each.name() + ", which adds up over its group,");
      }
    }
    return Optional.empty();
  }

  /** The optimizer's rule and those of the groups. */
  private List<UpdateRule> rules() {
    return Stream.concat(Stream.of(rule), groups.stream().map(group -> group.resolve(rule)))
        .toList();
  }

  /** An optimizer of some of the model's parameters; groups of the others are left out. */
  Optimizer optimizer(
      Parameters parameters, Collection<String> names, long startAfter, boolean zeroGradients) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(schedule)
            .startAfter(startAfter)
            .zeroGradients(zeroGradients);
    options.values().forEach(option -> option.setting().apply(builder));
    moving.forEach(builder::schedule);
    for (ParameterGroup group : groups) {
      if (names.stream().anyMatch(group::matches)) {
        builder.group(group);
      }
    }
    return builder.build();
  }

  /** Refuses groups that match none of a model's parameters, mostly by a slip, or overlap. */
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
    for (String name : modelNames) {
      List<String> matching =
          groups.stream()
              .filter(group -> group.matches(name))
              .map(ParameterGroup::pattern)
              .toList();
      if (matching.size() > 1) {
        throw new IllegalArgumentException(
            "parameter \""
                + name
                + "\" matches groups "
                + String.join(" and ", matching)
                + ", must match one at most");
      }
    }
  }

  /** What is remembered of a parameter of a shape. */
  List<StateSlot> slots(String name, List<Long> shape) {
    UpdateRule its = rule;
    for (ParameterGroup group : groups) {
      if (group.matches(name)) {
        its = group.resolve(rule);
      }
    }
    return its.stateSlots(shape.size()).stream().filter(StateSlot::isState).toList();
  }
}
