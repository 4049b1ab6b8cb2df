package io.warmstep.djl;

import io.warmstep.LossScaler;
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
import java.util.stream.Stream;

/**
 * How parameters are to be updated.
 *
 * @param rule of all parameters, unless their group says otherwise
 * @param schedule from the number of a step to its rate
 * @param moving hyperparameters that schedules move
 * @param groups chosen by parameter name
 * @param clipNorm largest global gradient norm, or 0
 * @param clipValue largest magnitude of a gradient element, or 0
 * @param adaptiveClip largest norm of a gradient as a share of its parameter's, or 0
 * @param scale what gradients are multiplied by first
 * @param skipNonFinite whether a step with a gradient that is not finite is skipped
 * @param scaler of losses, or null
 */
record Recipe(
    UpdateRule rule,
    Schedule schedule,
    Map<String, Schedule> moving,
    List<ParameterGroup> groups,
    double clipNorm,
    double clipValue,
    double adaptiveClip,
    double scale,
    boolean skipNonFinite,
    LossScaler scaler) {
  /**
   * What must look at the gradients of all parameters before it updates any, as a subject for
   * messages.
   */
  Optional<String> needsAllGradients() {
    if (clipNorm > 0 || skipNonFinite || scaler != null) {
      return Optional.of(
          clipNorm > 0 ? "clipNorm" : scaler != null ? "lossScaler" : "skipNonFinite");
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
            .gradientScale(scale)
            .startAfter(startAfter)
            .skipNonFinite(skipNonFinite)
            .zeroGradients(zeroGradients);
    if (clipNorm > 0) {
      builder.clipNorm(clipNorm);
    }
    if (clipValue > 0) {
      builder.clipValue(clipValue);
    }
    if (adaptiveClip > 0) {
      builder.adaptiveClip(adaptiveClip);
    }
    if (scaler != null) {
      builder.lossScaler(scaler);
    }
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
