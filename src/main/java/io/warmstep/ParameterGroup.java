package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.StateStorage;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.StringJoiner;

/**
 * Parameters that are treated differently from the rest: selected by name, with their own
 * learning-rate factor, weight decay, adaptive clipping, state type or rule. Immutable.
 *
 * <pre>{@code
 * ParameterGroup biases = ParameterGroup.matching("*.bias").weightDecay(0).learningRateFactor(2);
 * }</pre>
 */
public final class ParameterGroup {
  private final NamePattern pattern;
  private final double learningRateFactor;
  private final OptionalDouble weightDecay;
  private final Optional<UpdateRule> rule;
  private final Optional<AdaptiveClip> adaptiveClip;
  private final Optional<StateStorage> stateStorage;

  private ParameterGroup(
      NamePattern pattern,
      double learningRateFactor,
      OptionalDouble weightDecay,
      Optional<UpdateRule> rule,
      Optional<AdaptiveClip> adaptiveClip,
      Optional<StateStorage> stateStorage) {
    this.pattern = pattern;
    this.learningRateFactor = learningRateFactor;
    this.weightDecay = weightDecay;
    this.rule = rule;
    this.adaptiveClip = adaptiveClip;
    this.stateStorage = stateStorage;
  }

  /**
   * The group of all parameters whose names match.
   *
   * @param pattern a whole name, in which {@code *} stands for any characters and {@code ?} for one
   * @return a group that differs in nothing yet
   * @throws IllegalArgumentException if the pattern is empty
   * @throws NullPointerException if it is null
   */
  public static ParameterGroup matching(String pattern) {
    Arguments.requirePresent("pattern", pattern, "pass one such as *.bias");
    if (pattern.isEmpty()) {
      throw Arguments.refusal("pattern", "empty", "a whole name", "pass one such as *.bias");
    }
    return new ParameterGroup(
        new NamePattern(pattern),
        1,
        OptionalDouble.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /**
   * Returns a copy whose learning rate is multiplied by a factor. A factor of 0 keeps its
   * parameters as they are, but their gradients still count for the norm of {@link
   * OptimizerBuilder#clipNorm}, a non-finite gradient still skips a step, and their state still
   * moves. To exclude them entirely, freeze the group ({@link OptimizerGroups#freeze}).
   *
   * @param factor finite and at least 0
   * @return a copy
   * @throws IllegalArgumentException if the factor is out of range
   */
  public ParameterGroup learningRateFactor(double factor) {
    Arguments.requireNonNegative(
        "learningRateFactor", factor, "pass 1 to leave the learning rate as it is");
    return new ParameterGroup(pattern, factor, weightDecay, rule, adaptiveClip, stateStorage);
  }

  /**
   * Returns a copy with its own weight decay.
   *
   * @param weightDecay finite and at least 0, of the kind that the rule's definition has
   * @return a copy
   * @throws IllegalArgumentException if the value is out of range
   */
  public ParameterGroup weightDecay(double weightDecay) {
    Arguments.requireNonNegative("weightDecay", weightDecay, "pass 0 for none");
    return new ParameterGroup(
        pattern,
        learningRateFactor,
        OptionalDouble.of(weightDecay),
        rule,
        adaptiveClip,
        stateStorage);
  }

  /**
   * Returns a copy with its own rule: another kind, or the optimizer's with other options.
   *
   * @param rule such as {@code Momentum.nesterov(0.9)} where the optimizer's is Adam
   * @return a copy
   * @throws NullPointerException if the rule is null
   */
  public ParameterGroup rule(UpdateRule rule) {
    Arguments.requirePresent("rule", rule, "pass one such as Adam.adam()");
    return new ParameterGroup(
        pattern, learningRateFactor, weightDecay, Optional.of(rule), adaptiveClip, stateStorage);
  }

  /**
   * Returns a copy with its own adaptive clipping, in place of the optimizer's, and a lower bound
   * of 0.001 on tensors' norms.
   *
   * @param clip finite and at least 0; 0 for none, also where the optimizer clips
   * @return a copy
   * @throws IllegalArgumentException if the value is out of range
   */
  public ParameterGroup adaptiveClip(double clip) {
    return adaptiveClip(clip, AdaptiveClip.EPS);
  }

  /**
   * Returns a copy with its own adaptive clipping, in place of the optimizer's: see {@link
   * OptimizerBuilder#adaptiveClip(double, double)}.
   *
   * @param clip finite and at least 0; 0 for none, also where the optimizer clips
   * @param eps lower bound on the tensor's norm, above 0
   * @return a copy
   * @throws IllegalArgumentException if a value is out of range
   */
  public ParameterGroup adaptiveClip(double clip, double eps) {
    return new ParameterGroup(
        pattern,
        learningRateFactor,
        weightDecay,
        rule,
        Optional.of(new AdaptiveClip(clip, eps)),
        stateStorage);
  }

  /**
   * Returns a copy with its own state type, in place of the optimizer's, for parameters of 4096
   * elements or more.
   *
   * @param stateType how the moments are stored; float32 to keep them as computed, also where the
   *     optimizer has another type
   * @return a copy
   * @throws NullPointerException if the type is null
   */
  public ParameterGroup stateType(StateType stateType) {
    return stateType(stateType, StateStorage.SMALL_TENSOR);
  }

  /**
   * Returns a copy with its own state type, in place of the optimizer's: see {@link
   * OptimizerBuilder#stateType(StateType, long)}. An optimizer that is built with the group, or to
   * which its parameters are added later, rejects a type that would change none of the group's
   * state even if all parameters were large.
   *
   * @param stateType how the moments are stored
   * @param smallTensor the least number of elements of a parameter; smaller ones keep float32. 0
   *     for all parameters
   * @return a copy
   * @throws IllegalArgumentException if the bound is negative
   * @throws NullPointerException if the type is null
   */
  public ParameterGroup stateType(StateType stateType, long smallTensor) {
    return new ParameterGroup(
        pattern,
        learningRateFactor,
        weightDecay,
        rule,
        adaptiveClip,
        Optional.of(new StateStorage(stateType, smallTensor)));
  }

  /**
   * Which names match.
   *
   * @return the pattern as it was given
   */
  public String pattern() {
    return pattern.text();
  }

  /**
   * Whether a parameter belongs to this group.
   *
   * @param name the parameter's name
   * @return true if the whole name matches the pattern
   */
  public boolean matches(String name) {
    return pattern.matches(name);
  }

  /** Whether it has its own rule, which no schedule of the optimizer moves. */
  boolean hasRule() {
    return rule.isPresent();
  }

  /** Whether it has its own weight decay, which no schedule of the optimizer moves. */
  boolean hasWeightDecay() {
    return weightDecay.isPresent();
  }

  double learningRateFactor() {
    return learningRateFactor;
  }

  /** How gradients of its tensors are clipped, if not as the optimizer says. */
  Optional<AdaptiveClip> adaptiveClip() {
    return adaptiveClip;
  }

  /** How its state is stored, if not as the optimizer says. */
  Optional<StateStorage> stateStorage() {
    return stateStorage;
  }

  /**
   * The rule of this group's parameters.
   *
   * @param base the optimizer's rule
   * @return the group's own or the base, with the group's weight decay if it has one
   */
  public UpdateRule resolve(UpdateRule base) {
    UpdateRule chosen = rule.orElse(base);
    return weightDecay.isPresent() ? chosen.weightDecay(weightDecay.getAsDouble()) : chosen;
  }

  @Override
  public String toString() {
    StringJoiner differences = new StringJoiner(", ", "group " + pattern() + ": ", "");
    differences.setEmptyValue("group " + pattern());
    if (learningRateFactor != 1) {
      differences.add("learningRateFactor " + learningRateFactor);
    }
    weightDecay.ifPresent(value -> differences.add("weightDecay " + value));
    rule.ifPresent(value -> differences.add("rule " + value));
    adaptiveClip.ifPresent(
        value -> differences.add("adaptiveClip " + value.clip() + " with eps " + value.eps()));
    stateStorage.ifPresent(value -> differences.add("stateType " + value));
    return differences.toString();
  }
}
