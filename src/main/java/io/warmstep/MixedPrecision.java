package io.warmstep;

import io.warmstep.backend.Encoding;
import io.warmstep.check.Arguments;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StateStorage;
import io.warmstep.step.StepOptions;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/** How an optimizer stores parameters and state, and which options are not possible. */
final class MixedPrecision {
  private final StepOptions options;
  private final Function<Parameter, Place> places;

  /**
   * Creates it from the options.
   *
   * @param options of the optimizer
   * @param places where the optimizer's part of a parameter lies in the whole
   */
  MixedPrecision(StepOptions options, Function<Parameter, Place> places) {
    this.options = options;
    this.places = places;
  }

  /** Whether a master is kept for a parameter. */
  boolean hasMaster(Parameter parameter) {
    return options.masterWeights() != MasterWeights.NONE && parameter.values().type().isHalf();
  }

  /** Whether an average of the parameters is kept. */
  boolean hasAverage() {
    return options.averageDecay() != 0;
  }

  /** A parameter's place in the whole: random numbers count from the whole's first element. */
  Place place(Parameter parameter) {
    return places.apply(parameter);
  }

  /** How a parameter is stored. */
  Encoding encoding(Parameter parameter) {
    if (!hasMaster(parameter)) {
      return rounded(parameter.values().type());
    }
    if (options.masterWeights() == MasterWeights.EXACT) {
      return Encoding.MASTER;
    }
    return options.rounding() == Rounding.STOCHASTIC
        ? Encoding.STOCHASTIC_MASTER_24
        : Encoding.MASTER_24;
  }

  /** How the state of a group's parameters is stored. */
  private StateStorage storage(RuleGroup group) {
    return group.stateStorage().orElse(options.stateStorage());
  }

  /** How a slot of a group's parameter is stored. */
  Encoding encoding(RuleGroup group, Parameter parameter, StateSlot slot) {
    if (!isNarrow(group, parameter, slot)) {
      return Encoding.PLAIN;
    }
    return switch (storage(group).type()) {
      case FLOAT32, BFLOAT16 -> rounded(storage(group).stored());
      case INT8 -> codes(slot);
    };
  }

  private Encoding codes(StateSlot slot) {
    if (slot.content() == StateSlot.Content.MOMENT) {
      return Encoding.MOMENT_CODES;
    }
    return options.rounding() == Rounding.STOCHASTIC
        ? Encoding.STOCHASTIC_SQUARE_CODES
        : Encoding.SQUARE_CODES;
  }

  private Encoding rounded(ElementType type) {
    return type == ElementType.BFLOAT16 && options.rounding() == Rounding.STOCHASTIC
        ? Encoding.STOCHASTIC
        : Encoding.PLAIN;
  }

  /** The type in which a slot's numbers are stored, or the words of their codes. */
  ElementType type(RuleGroup group, Parameter parameter, StateSlot slot) {
    return isNarrow(group, parameter, slot)
        ? storage(group).stored()
        : parameter.values().type().arithmetic();
  }

  private boolean isNarrow(RuleGroup group, Parameter parameter, StateSlot slot) {
    return canNarrow(group, parameter, slot)
        && places.apply(parameter).whole() >= storage(group).smallTensor();
  }

  private boolean canNarrow(RuleGroup group, Parameter parameter, StateSlot slot) {
    return storage(group).narrows(slot)
        && parameter.values().type().arithmetic() == ElementType.FLOAT32;
  }

  /** Whether a state type has an effect on a group's parameter, unless that is a small one. */
  private boolean canNarrow(RuleGroup group, Parameter parameter) {
    return group.rule().stateSlots().stream().anyMatch(slot -> canNarrow(group, parameter, slot));
  }

  /**
   * Checks that all options are possible and have an effect on at least one parameter.
   *
   * @throws IllegalArgumentException if not
   */
  void require(List<RuleGroup> groups) {
    boolean hasHalf = false;
    boolean hasDefault = false;
    long largest = -1; // of the parameters that the optimizer's state type is for
    boolean rounds = false;
    boolean isEmpty = true;
    for (RuleGroup group : groups) {
      requireOneType(group);
      if (group.rule().isOfOneType()) {
        group.members().forEach(parameter -> requirePlain(group, parameter));
      }
      requireNarrow(group);
      hasDefault |= group.stateStorage().isEmpty();
      for (Parameter parameter : group.members()) {
        isEmpty = false;
        requireSupported(group, parameter);
        hasHalf |= parameter.values().type().isHalf();
        if (group.stateStorage().isEmpty() && canNarrow(group, parameter)) {
          largest = Math.max(largest, place(parameter).whole());
        }
        rounds |=
            encoding(parameter).isRandom()
                || group.rule().stateSlots().stream()
                    .anyMatch(slot -> encoding(group, parameter, slot).isRandom());
      }
    }
    if (isEmpty) {
      return;
    }
    if (options.masterWeights() != MasterWeights.NONE && !hasHalf) {
      throw Arguments.refusal(
          "masterWeights",
          options.masterWeights(),
          "none for parameters that are all float32 or float64, which have all of their bits",
          options.masterWeights() == MasterWeights.BITS_24
              ? "store them as bfloat16, or leave masters out"
              : "store them as bfloat16 or float16, or leave masters out");
    }
    if (options.stateStorage().isNarrow() && !hasDefault) {
      throw Arguments.refusal(
          "stateType",
          options.stateStorage().type(),
          "float32 where each group has a state type of its own",
          "leave it out");
    }
    if (options.stateStorage().isNarrow() && largest < 0) {
      groups.forEach(group -> requireNoExactState("stateType", group));
      throw Arguments.refusal(
          "stateType",
          options.stateStorage().type(),
          "float32 for rules whose state has no moments, as that of "
              + groups.stream()
                  .map(group -> group.rule().name())
                  .distinct()
                  .collect(Collectors.joining(", "))
              + ", and for float64 parameters, since only running averages of elements, in float32,"
              + " are stored in fewer bits",
          "choose a rule with moments, such as adam, or leave it out");
    }
    if (options.stateStorage().isNarrow() && largest < options.stateStorage().smallTensor()) {
      throw Arguments.refusal(
          "stateType",
          options.stateStorage().type(),
          "float32 for parameters of fewer than "
              + options.stateStorage().smallTensor()
              + " elements, as all are that it is for, the largest with "
              + largest,
          "pass a smallTensor of at most " + largest + ", or leave it out");
    }
    if (options.rounding() == Rounding.STOCHASTIC && !rounds) {
      throw Arguments.refusal(
          "rounding",
          options.rounding(),
          "nearest where a step stores neither bfloat16 nor squares in int8",
          "store parameters without a master or state so, that of small ones with a lower"
              + " smallTensor, keep masters of 24 bits, or leave it out");
    }
  }

  /** Names the state that must keep all of its bits, so that a user knows the reason. */
  private void requireNoExactState(String what, RuleGroup group) {
    List<String> exact =
        group.rule().stateSlots().stream()
            .filter(slot -> slot.extent() == StateSlot.Extent.ELEMENT && !slot.isAverage())
            .map(StateSlot::name)
            .toList();
    if (!exact.isEmpty() && group.rule().stateSlots().stream().noneMatch(StateSlot::isAverage)) {
      throw Arguments.refusal(
          what,
          storage(group).type(),
          "float32 for the state of "
              + group.rule().name()
              + " ("
              + String.join(", ", exact)
              + "), which is no running average: in fewer bits, what a step adds to a sum that"
              + " only grows, to a step size or to weights would be lost",
          "choose a rule with moments, such as adam, or leave it out");
    }
  }

  /**
   * Checks that a group's own state type has an effect on at least one of its parameters, or would
   * have if they were larger.
   */
  private void requireNarrow(RuleGroup group) {
    if (group.stateStorage().filter(StateStorage::isNarrow).isPresent()
        && group.members().stream().noneMatch(parameter -> canNarrow(group, parameter))) {
      String what = "stateType of group " + group.pattern();
      requireNoExactState(what, group);
      throw Arguments.refusal(
          what,
          storage(group).type(),
          "float32 for rules whose state has no moments, as that of "
              + group.rule().name()
              + ", and for float64 parameters, since only running averages of elements, in float32,"
              + " are stored in fewer bits",
          "choose a rule with moments, such as adam, or leave it out");
    }
  }

  /** Sums over a group use one arithmetic type and, on a device, one launch. */
  private static void requireOneType(RuleGroup group) {
    Parameter first = group.members().get(0);
    for (Parameter other : group.members()) {
      if (group.rule().sums().map(TensorSums::areOfGroup).orElse(false)
          && other.values().type() != first.values().type()) {
        throw Arguments.refusal(
            "type of \"" + other.name() + "\"",
            other.values().type(),
            first.values().type()
                + ", as \""
                + first.name()
                + "\" is, since "
                + group.rule().name()
                + " adds up over all parameters of a group",
            "put parameters of each type into a group of their own");
      }
    }
  }

  /**
   * Checks that a parameter under a rule of one type needs no more than elements of that type and
   * state of its arithmetic type.
   */
  private void requirePlain(RuleGroup group, Parameter parameter) {
    ElementType type = parameter.values().type();
    if (hasAverage()) {
      throw notOfOneType("average", options.averageDecay(), "left out", "", group, parameter);
    }
    if (hasMaster(parameter)) {
      throw notOfOneType(
          "masterWeights",
          options.masterWeights(),
          "none",
          "store \"" + parameter.name() + "\" as float32, ",
          group,
          parameter);
    }
    if (parameter.gradients().type() != type) {
      throw new IllegalArgumentException(
          "parameter \""
              + parameter.name()
              + "\": gradients are "
              + parameter.gradients().type()
              + ", must be "
              + type
              + " like the values under rule "
              + onlyOneType(group.rule())
              + ": store both in one type, or choose a rule such as adam");
    }
    if (storage(group).isNarrow() && type.arithmetic() == ElementType.FLOAT32) {
      boolean isOwn = group.stateStorage().isPresent();
      throw notOfOneType(
          isOwn ? "stateType of group " + group.pattern() : "stateType",
          storage(group).type(),
          "float32",
          isOwn
              ? "set it to float32 there, "
              : "give its parameters a group with stateType(StateType.FLOAT32), ",
          group,
          parameter);
    }
    if (encoding(parameter) != Encoding.PLAIN) {
      throw notOfOneType(
          "rounding",
          options.rounding(),
          "nearest",
          "store \"" + parameter.name() + "\" as float32, ",
          group,
          parameter);
    }
  }

  private static IllegalArgumentException notOfOneType(
      String option,
      Object value,
      String allowed,
      String advice,
      RuleGroup group,
      Parameter parameter) {
    return Arguments.refusal(
        option,
        value,
        allowed
            + " for the parameter \""
            + parameter.name()
            + "\" under rule "
            + onlyOneType(group.rule()),
        advice + "leave it out, or choose a rule such as adam");
  }

  private static String onlyOneType(UpdateRule rule) {
    return rule.name()
        + ", since the kernels of "
        + (rule.isFactored() ? "factors" : "sums over a group")
        + " take all in one type, round to nearest, and have nothing beside it";
  }

  private void requireSupported(RuleGroup group, Parameter parameter) {
    UpdateRule rule = group.rule();
    if (options.masterWeights() == MasterWeights.BITS_24
        && parameter.values().type() == ElementType.FLOAT16) {
      throw Arguments.refusal(
          "masterWeights",
          options.masterWeights(),
          "exact or none for the float16 parameter \""
              + parameter.name()
              + "\", whose bits are not the upper ones of a float32, as a bfloat16's are",
          "keep exact masters, or store it as bfloat16");
    }
    if (hasAverage() && parameter.values().type() == ElementType.FLOAT64) {
      throw Arguments.refusal(
          "average",
          options.averageDecay(),
          "left out for the float64 parameter \""
              + parameter.name()
              + "\", since an average is kept in float32 and would have fewer bits",
          "store it as float32, or average it yourself");
    }
    if (rule.slowWeights().isPresent() && (hasMaster(parameter) || hasAverage())) {
      throw Arguments.refusal(
          hasMaster(parameter) ? "masterWeights" : "average",
          hasMaster(parameter) ? options.masterWeights() : options.averageDecay(),
          (hasMaster(parameter) ? "none" : "left out")
              + " for the parameter \""
              + parameter.name()
              + "\" under rule "
              + rule.name()
              + " with lookahead, since slow weights move the parameter as it is stored, and a "
              + (hasMaster(parameter) ? "master" : "separate average")
              + " would not follow",
          "leave it out, or use " + rule.name() + " without lookahead");
    }
    if (rule.evaluation().isPresent() && hasAverage()) {
      throw Arguments.refusal(
          "average",
          options.averageDecay(),
          "left out under " + rule.name() + ", which has weights of its own to evaluate with",
          "use those, by eval(), or choose another rule");
    }
    if (options.rounding() == Rounding.STOCHASTIC
        && parameter.values().type() == ElementType.FLOAT16
        && !hasMaster(parameter)) {
      throw Arguments.refusal(
          "rounding",
          options.rounding(),
          "nearest for the float16 parameter \""
              + parameter.name()
              + "\" without a master, since random bits are added below a bfloat16's, which are the"
              + " upper ones of a float32",
          "keep a master of it, or store it as bfloat16");
    }
  }
}
