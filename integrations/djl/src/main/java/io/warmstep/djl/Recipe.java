package io.warmstep.djl;

import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.check.Names;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

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
  /** The option, and the state that comes with it. */
  static final String AVERAGE = "average";

  static final String NEEDS_GRADIENTS = "needs the gradients of all parameters at once";

  /**
   * Something that a step does besides its rule.
   *
   * @param concerns the rules for which it is of use
   * @param least how many elements a parameter must have for it to be of use; an optimizer of no
   *     such parameter under such a rule does without
   * @param needsAll why it needs all parameters at once, with the option as subject; empty if it
   *     does not
   * @param setting the call on Warmstep's own builder
   */
  record Option(
      Predicate<UpdateRule> concerns,
      long least,
      Optional<String> needsAll,
      Consumer<OptimizerBuilder> setting) {
    /** An option for any rule, which needs one parameter at a time. */
    Option(Consumer<OptimizerBuilder> setting) {
      this(Optional.empty(), setting);
    }

    /** An option for any rule. */
    Option(Optional<String> needsAll, Consumer<OptimizerBuilder> setting) {
      this(rule -> true, 0, needsAll, setting);
    }

    /** This option where only some rules have a use for it, for parameters that are not small. */
    Option concerning(Predicate<UpdateRule> some, long least) {
      return new Option(some, least, needsAll, setting);
    }
  }

  /** Why all parameters must be updated at once, for a message; empty if they need not. */
  Optional<String> needsAll() {
    for (Option option : options.values()) {
      if (option.needsAll().isPresent()) {
        return option.needsAll();
      }
    }
    for (UpdateRule each : rules()) {
      if (each.clipNorm() > 0) {
        return Optional.of(
            "rule " + each.name() + ", which clips by the global norm, " + NEEDS_GRADIENTS);
      }
      if (each.sums().map(TensorSums::areOfGroup).orElse(false)) {
        return Optional.of(
            "rule " + each.name() + ", which adds up over its group, " + NEEDS_GRADIENTS);
      }
    }
    return Optional.empty();
  }

  /** The optimizer's rule and those of the groups. */
  List<UpdateRule> rules() {
    return Stream.concat(Stream.of(rule), groups.stream().map(group -> group.resolve(rule)))
        .toList();
  }

  /** An optimizer of some of the model's parameters; groups of the others are left out. */
  Optimizer optimizer(Parameters parameters, long startAfter, boolean zeroGradients) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(schedule)
            .startAfter(startAfter)
            .zeroGradients(zeroGradients);
    options.values().stream()
        .filter(option -> any(parameters, parameter -> concerns(option, parameter)))
        .forEach(option -> option.setting().accept(builder));
    moving.forEach(builder::schedule);
    groups.stream()
        .filter(group -> any(parameters, parameter -> group.matches(parameter.name())))
        .forEach(builder::group);
    return builder.build();
  }

  private boolean concerns(Option option, Parameter parameter) {
    return parameter.length() >= option.least() && option.concerns().test(rule(parameter.name()));
  }

  private static boolean any(Parameters parameters, Predicate<Parameter> condition) {
    return StreamSupport.stream(parameters.spliterator(), false).anyMatch(condition);
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
    Stream<StateSlot> ofRule =
        rule(name).stateSlots(shape.size()).stream().filter(StateSlot::isState);
    Stream<StateSlot> average =
        options.containsKey(AVERAGE) ? Stream.of(new StateSlot(AVERAGE)) : Stream.of();
    return Stream.concat(ofRule, average).toList();
  }

  /** The rule of a parameter. */
  private UpdateRule rule(String name) {
    UpdateRule its = rule;
    for (ParameterGroup group : groups) {
      if (group.matches(name)) {
        its = group.resolve(rule);
      }
    }
    return its;
  }
}
