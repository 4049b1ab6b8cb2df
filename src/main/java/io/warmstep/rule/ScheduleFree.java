package io.warmstep.rule;

import io.warmstep.check.Arguments;
import io.warmstep.math.Powers;
import java.util.List;

/**
 * The common part of Schedule-Free rules: the weight of a step's point z in the average of all,
 * with which the rules replace a schedule.
 */
final class ScheduleFree {
  /** Numbers that a group keeps: the sum of the weights, and the largest learning rate. */
  static final List<StateSlot> KEPT = List.of(new StateSlot("weight_sum"), new StateSlot("lr_max"));

  private final long warmupSteps;
  private final double r;
  private final double weightLrPower;

  ScheduleFree(long warmupSteps, double r, double weightLrPower) {
    this.warmupSteps = warmupSteps;
    this.r = r;
    this.weightLrPower = weightLrPower;
  }

  static void require(
      String rule, String momentum, double value, long warmupSteps, double r, double power) {
    Hyperparameters.require(
        value > 0 && value < 1,
        rule,
        momentum,
        value,
        "above 0 and below 1",
        "pass how near gradients are taken to the average, such as 0.9");
    Hyperparameters.require(
        warmupSteps >= 0, rule, "warmupSteps", warmupSteps, "at least 0", "pass 0 for none");
    Arguments.requireNonNegative(rule + ": r", r, "pass 0 for equal weights");
    Arguments.requireNonNegative(rule + ": weightLrPower", power, "pass a power such as 2");
  }

  /** The learning rate of a step, warmed up. */
  double rate(StepValues at) {
    return at.step() < warmupSteps
        ? at.learningRate() * ((double) at.step() / warmupSteps)
        : at.learningRate();
  }

  private double largestRate(StepValues at) {
    return Math.max(at.kept(1, 0), rate(at));
  }

  private double weight(StepValues at) {
    return Powers.power(at.step(), r) * Powers.power(largestRate(at), weightLrPower);
  }

  /** The weight of a step's z in the average of all so far. */
  double average(StepValues at) {
    double weight = weight(at);
    double sum = at.kept(0, 0) + weight;
    return sum == 0 ? 0 : weight / sum;
  }

  /** The factor on the gradient where it moves y. */
  double stepSize(StepValues at, double momentum) {
    return rate(at) * (1.0 - momentum * (1.0 - average(at)));
  }

  void advance(StepValues at, double[] kept) {
    double weight = weight(at);
    kept[1] = largestRate(at);
    kept[0] += weight;
  }

  /** The average x of all z, from {@code y = momentum * x + (1 - momentum) * z}. */
  static EvaluationWeights evaluation(double momentum) {
    return new EvaluationWeights("z", 1.0 - 1.0 / momentum);
  }
}
