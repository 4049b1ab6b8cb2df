package io.warmstep;

import java.util.List;

/**
 * A group of parameters and how far it has come. It counts its own steps, by which its rule
 * corrects biases: it may have been added late, or frozen for a time.
 */
final class TrainedGroup {
  private final RuleGroup rules;
  private final boolean isFrozen;
  private long steps;

  TrainedGroup(RuleGroup rules, long steps, boolean isFrozen) {
    this.rules = rules;
    this.steps = steps;
    this.isFrozen = isFrozen;
  }

  /** Groups that have all come as far. */
  static List<TrainedGroup> of(List<RuleGroup> groups, long steps) {
    return groups.stream().map(group -> new TrainedGroup(group, steps, false)).toList();
  }

  RuleGroup rules() {
    return rules;
  }

  /** Whether steps leave it out. */
  boolean isFrozen() {
    return isFrozen;
  }

  /** This group as it is, frozen or not. */
  TrainedGroup frozen(boolean isFrozen) {
    return new TrainedGroup(rules, steps, isFrozen);
  }

  long steps() {
    return steps;
  }

  /** No greater than the optimizer's own next step. */
  long nextStep() {
    return steps + 1;
  }

  void advance() {
    steps++;
  }

  /** Goes on from a number of steps, whatever happened before. */
  void restore(long count) {
    steps = count;
  }

  /** Whether a step does the same with both, but for the count of steps. */
  boolean doesAs(TrainedGroup other) {
    return isFrozen == other.isFrozen && rules.equals(other.rules);
  }

  boolean has(Parameter parameter) {
    return rules.members().contains(parameter);
  }

  /**
   * Checks that the arithmetic of the parameters can hold the rule's hyperparameters.
   *
   * @param rate the learning rate if it is constant, otherwise 0
   * @throws IllegalArgumentException if it cannot
   */
  void requireHyperparameters(double rate) {
    rules.requireHyperparameters(
        steps == Long.MAX_VALUE ? steps : nextStep(),
        rate,
        new double[rules.rule().scalarNames().size()]);
  }
}
