package io.warmstep;

import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepOptions;
import java.util.List;

/**
 * A group of parameters and its progress. It counts its own steps, which its rule uses for bias
 * corrections: it may have been added late, or frozen for a time.
 */
final class TrainedGroup {
  /**
   * Products over more steps than these are 0 anyway, and other numbers depend only on the last
   * ones.
   */
  private static final long MAX_REPLAYED = 10_000_000;

  private final RuleGroup rules;
  private final boolean isFrozen;
  private final double[] kept; // the rule's numbers, see UpdateRule.keptNumbers
  private long steps;

  TrainedGroup(RuleGroup rules, long steps, double[] kept, boolean isFrozen) {
    this.rules = rules;
    this.steps = steps;
    this.kept = kept;
    this.isFrozen = isFrozen;
  }

  /** Creates groups with the same progress. */
  static List<TrainedGroup> of(List<RuleGroup> groups, long steps) {
    return groups.stream()
        .map(group -> new TrainedGroup(group, steps, initial(group.rule()), false))
        .toList();
  }

  /** The initial values of the numbers that a rule keeps. */
  static double[] initial(UpdateRule rule) {
    return rule.keptNumbers().stream().mapToDouble(StateSlot::initialValue).toArray();
  }

  /** Computes the numbers that the rule keeps after its steps so far, as if none was skipped. */
  void replay(LearningRate rate) {
    if (kept.length == 0) {
      return;
    }
    StepValues at = rules.moving().values();
    at.keep(kept);
    for (long step = Math.max(1, steps - MAX_REPLAYED + 1); step <= steps; step++) {
      rules.set(step, step, rate.rate(step), at);
      rules.rule().advance(at, kept);
    }
  }

  RuleGroup rules() {
    return rules;
  }

  /** Whether steps exclude it. */
  boolean isFrozen() {
    return isFrozen;
  }

  /** This group in its current state, frozen or not. */
  TrainedGroup frozen(boolean isFrozen) {
    return new TrainedGroup(rules, steps, kept, isFrozen);
  }

  long steps() {
    return steps;
  }

  /** The number of the group's next step, at most that of the optimizer. */
  long nextStep() {
    return steps + 1;
  }

  /** The numbers that the rule keeps; read-only. */
  double[] kept() {
    return kept;
  }

  /** After a step that happened. */
  void advance(StepValues at) {
    rules.rule().advance(at, kept);
    steps++;
  }

  /** After steps that a device took by itself. */
  void advanceTo(long steps, double[] kept) {
    this.steps = steps;
    System.arraycopy(kept, 0, this.kept, 0, kept.length);
  }

  /** Continues as another group of the same rule, whatever happened before. */
  void restore(TrainedGroup other) {
    steps = other.steps;
    System.arraycopy(other.kept, 0, kept, 0, kept.length);
  }

  /** Whether a step does the same with both, except for the step count. */
  boolean doesAs(TrainedGroup other) {
    return isFrozen == other.isFrozen && rules.equals(other.rules);
  }

  boolean has(Parameter parameter) {
    return rules.members().contains(parameter);
  }

  /**
   * Checks that the arithmetic of the parameters can hold the rule's hyperparameters and the
   * numbers that gradients are changed by.
   *
   * @param options of the steps
   * @param rate the learning rate if it is constant, otherwise 0
   * @throws IllegalArgumentException if it cannot
   */
  void requireHyperparameters(StepOptions options, double rate) {
    rules.requireHyperparameters(options, steps == Long.MAX_VALUE ? steps : nextStep(), rate, kept);
  }
}
