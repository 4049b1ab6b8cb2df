package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.check.Arguments;
import io.warmstep.rule.EvaluationWeights;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.GradientNumber;
import io.warmstep.step.StateStorage;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Parameters of an optimizer under one rule.
 *
 * @param pattern the pattern of the {@link ParameterGroup}
 * @param moving hyperparameters that schedules change, in place of the rule's
 * @param adaptiveClip how the gradients of its tensors are clipped
 * @param stateStorage how its state is stored, if not as the optimizer says
 * @param narrowest a member whose arithmetic has the smallest range
 */
record RuleGroup(
    String pattern,
    UpdateRule rule,
    MovingHyperparameters moving,
    double learningRateFactor,
    AdaptiveClip adaptiveClip,
    Optional<StateStorage> stateStorage,
    List<Parameter> members,
    Parameter narrowest) {
  /** The name for parameters in no group. */
  static final String REST = "*";

  /** Rejects adaptive clipping under a rule whose first phase would not see it. */
  RuleGroup {
    if (adaptiveClip.isUsed() && rule.sums().isPresent()) {
      throw Arguments.refusal(
          "adaptiveClip of group " + pattern,
          adaptiveClip.clip(),
          "0 under rule "
              + rule.name()
              + (rule.kernel().equals(rule.name()) ? "" : " with these options")
              + ", which adds up over its tensors before it updates them and takes gradients as they"
              + " are there",
          "give those parameters a group with adaptiveClip(0), or choose a rule of one phase such"
              + " as Adam.adamW()");
    }
  }

  private static RuleGroup of(
      String pattern,
      UpdateRule rule,
      MovingHyperparameters moving,
      double factor,
      AdaptiveClip clip,
      Optional<StateStorage> storage,
      List<Parameter> members) {
    members.forEach(parameter -> requireDimensions(rule, parameter));
    Parameter narrowest = ArithmeticRange.narrowest(members).orElseThrow();
    return new RuleGroup(pattern, rule, moving, factor, clip, storage, members, narrowest);
  }

  private static void requireDimensions(UpdateRule rule, Parameter parameter) {
    if (parameter.shape().size() < rule.minDimensions()) {
      throw Arguments.refusal(
          "shape of \"" + parameter.name() + "\"",
          parameter.shape(),
          "of at least "
              + rule.minDimensions()
              + " dimensions under rule "
              + rule.name()
              + ", which multiplies matrices",
          "say so by shape(...) if it is a matrix, otherwise put it in a group under AdamW, such as"
              + " ParameterGroup.matching(\""
              + parameter.name()
              + "\").rule(Adam.adamW())");
    }
  }

  /** The same parameters with other hyperparameters. */
  RuleGroup with(UpdateRule other, double factor) {
    return new RuleGroup(
        pattern, other, moving, factor, adaptiveClip, stateStorage, members, narrowest);
  }

  /**
   * Finds each parameter's group. Parameters of no group come last, under the optimizer's own rule.
   *
   * @param clip how tensors are clipped in groups without their own setting
   * @throws IllegalArgumentException if a group matches no parameter, or two match the same one, or
   *     the rule does not allow a hyperparameter's schedule or needs more dimensions than a
   *     parameter has, or tensors are to be clipped under a rule that does not support it
   */
  static List<RuleGroup> resolve(
      UpdateRule rule,
      MovingHyperparameters moving,
      AdaptiveClip clip,
      List<ParameterGroup> groups,
      Parameters parameters) {
    moving.requireMovable(rule);
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
      resolved.add(
          of(
              group.pattern(),
              group.resolve(rule),
              moving.in(group),
              group.learningRateFactor(),
              group.adaptiveClip().orElse(clip),
              group.stateStorage(),
              members.get(i)));
    }
    List<Parameter> rest = members.get(groups.size());
    if (!rest.isEmpty()) {
      resolved.add(of(REST, rule, moving, 1, clip, Optional.empty(), rest));
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
   * Computes the numbers of a step and checks that the arithmetic can hold them.
   *
   * @param options of the steps
   * @param number of the optimizer's step, for schedules
   * @param step number of the group's own step, for bias corrections
   * @param rate the optimizer's learning rate
   * @param at receives the values that the numbers are computed from
   * @param scalars receives the rule's numbers
   * @param gradientNumbers receives those of {@link GradientNumber}
   * @return the group's learning rate
   * @throws IllegalStateException if it cannot, or a schedule gives an invalid value
   */
  double numbers(
      StepOptions options,
      long number,
      long step,
      double rate,
      StepValues at,
      double[] scalars,
      double[] gradientNumbers) {
    double own = set(number, step, rate, at);
    rule.scalars(at, scalars);
    GradientNumber.set(gradientNumbers, options, rule, at);
    for (int i = 0; i < GradientNumber.COUNT; i++) {
      if (!ArithmeticRange.holds(gradientNumbers[i], narrowest)) {
        throw new IllegalStateException(
            ArithmeticRange.message(
                rule.name() + ": " + GradientNumber.text(i), gradientNumbers[i], narrowest));
      }
    }
    for (int i = 0; i < scalars.length; i++) {
      if (!ArithmeticRange.holds(scalars[i], narrowest)) {
        throw new IllegalStateException(
            ArithmeticRange.message(
                rule.name()
                    + ": "
                    + rule.scalarNames().get(i)
                    + " at step "
                    + step
                    + " with learning rate "
                    + own,
                scalars[i],
                narrowest));
      }
    }
    return own;
  }

  /**
   * Sets the values that the numbers of a step are computed from.
   *
   * @return the group's learning rate
   * @throws IllegalStateException if that is beyond the range of float64, or a schedule gives an
   *     invalid value
   */
  double set(long number, long step, double rate, StepValues at) {
    double own = rate * learningRateFactor;
    if (!(own <= Double.MAX_VALUE) || (own == 0 && rate != 0 && learningRateFactor != 0)) {
      throw new IllegalStateException(
          "learning rate "
              + rate
              + " times a group's factor "
              + learningRateFactor
              + " is "
              + own
              + " at step "
              + step
              + ", beyond the range of float64: choose another rate or factor");
    }
    at.set(step, own);
    moving.set(number, at);
    return own;
  }

  /**
   * Checks that the arithmetic of the parameters can hold the rule's hyperparameters and the
   * numbers that gradients are changed by.
   *
   * @param options of the steps
   * @param step number of the first step
   * @param rate the learning rate if it is constant, otherwise 0
   * @param kept the numbers that the rule keeps
   * @throws IllegalArgumentException if it cannot
   */
  void requireHyperparameters(StepOptions options, long step, double rate, double[] kept) {
    try {
      if (adaptiveClip.isUsed()) {
        ArithmeticRange.require("adaptiveClip", adaptiveClip.clip(), narrowest);
        ArithmeticRange.require("adaptiveClip: eps", adaptiveClip.eps(), narrowest);
        ArithmeticRange.require(
            "adaptiveClip times eps", adaptiveClip.clip() * adaptiveClip.eps(), narrowest);
      }
      StepValues at = moving.values();
      at.keep(kept);
      double[] scalars = new double[rule.scalarNames().size()];
      numbers(options, step, step, rate, at, scalars, new double[GradientNumber.COUNT]);
      double weight = rule.evaluation().map(EvaluationWeights::weight).orElse(0.0);
      if (!ArithmeticRange.holds(weight, narrowest)) {
        throw new IllegalStateException(
            ArithmeticRange.message(rule.name() + ": weight of evaluation", weight, narrowest));
      }
    } catch (IllegalStateException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  /**
   * This group's part of a step.
   *
   * @param index of each parameter in the order of all
   * @param keys of the random numbers
   * @param state of the optimizer
   */
  StepPlan.Group plan(Map<Parameter, Integer> index, RandomKeys keys, OptimizerState state) {
    List<StepPlan.Entry> entries = new ArrayList<>();
    for (Parameter parameter : members) {
      StepPlan.Entry entry =
          StepPlan.Entry.of(
              index.get(parameter),
              parameter.length(),
              parameter.shape(),
              state.values(parameter),
              parameter.gradients().slice(),
              rule,
              state.slots(parameter.name()));
      Place place = state.place(parameter);
      entries.add(
          entry
              .withAverage(state.average(parameter))
              .partOf(place.from(), place.whole())
              .numbered(keys.number(parameter)));
    }
    return new StepPlan.Group(rule, entries, adaptiveClip);
  }
}
