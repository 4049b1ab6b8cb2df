package io.warmstep.step;

import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.util.List;

/**
 * The numbers of a group that its gradients are changed by in a step, besides their scale and
 * clipping by value. The order is that of the numbers in kernels/gradient.h, which has the
 * formulas.
 */
public enum GradientNumber {
  /** What a gradient takes of its parameter (L2); 0 for nothing. */
  WEIGHT_DECAY("weightDecay") {
    @Override
    double of(StepOptions options, UpdateRule rule, StepValues at) {
      return rule.coupledWeightDecay(at);
    }
  };

  private static final List<GradientNumber> ALL = List.of(values());

  /** How many there are. */
  public static final int COUNT = ALL.size();

  private final String text;

  GradientNumber(String text) {
    this.text = text;
  }

  /** The number of a group for a step. */
  abstract double of(StepOptions options, UpdateRule rule, StepValues at);

  /**
   * The number's name in messages.
   *
   * @param i its place in the order
   * @return that of the option or hyperparameter that it comes from
   */
  public static String text(int i) {
    return ALL.get(i).text;
  }

  /**
   * Sets all numbers of a group for a step. Allocates nothing.
   *
   * @param numbers receives them, in their order
   * @param options of the step
   * @param rule the group's
   * @param at what the rule computes its own from
   */
  public static void set(double[] numbers, StepOptions options, UpdateRule rule, StepValues at) {
    for (int i = 0; i < COUNT; i++) {
      numbers[i] = ALL.get(i).of(options, rule, at);
    }
  }
}
