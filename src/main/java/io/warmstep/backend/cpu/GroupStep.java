package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.rule.Access;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;

/** A group's rule and the numbers of the present step. */
final class GroupStep {
  final UpdateRule rule;
  private final boolean isPass;
  final float[] floatScalars;
  final double[] doubleScalars;
  final int sign;

  /** How many it has in the whole model. */
  final long elements;

  /** How the gradient of each tensor is clipped. */
  final AdaptiveClip adaptiveClip;

  /** What is added up over each tensor first, or null. */
  final TensorSums sums;

  /** What the update uses. */
  final Access updating;

  /** What the first phase has of the group's state in this step. */
  final float[] floatFirst;

  final double[] doubleFirst;

  /** Receive a tensor's sums. */
  final CpuFloatSums floatSums;

  final CpuDoubleSums doubleSums;

  /** What is done to gradients before the rule. */
  final GroupGradients gradients;

  boolean keepsParameters;

  /** Whether nothing happens to it in this step: a pass that writes no parameters. */
  boolean isIdle;

  /** What random numbers follow from. */
  final long seed;

  long step;

  /** What averages take of the parameters in this step. */
  float averageWeight;

  GroupStep(StepPlan.Group group, StepOptions options) {
    this.rule = group.rule();
    this.isPass = StepPlan.Group.isPass(rule);
    this.adaptiveClip = group.adaptiveClip();
    this.elements = group.elements();
    this.seed = options.seed();
    this.gradients = new GroupGradients(options);
    this.floatScalars = new float[rule.scalarNames().size()];
    this.doubleScalars = new double[rule.scalarNames().size()];
    this.sign = rule.maximize() ? -1 : 1;
    this.sums = rule.sums().orElse(null);
    this.updating = rule.access();
    int count = sums == null ? 0 : sums.kinds().size();
    int kept = StepPlan.Group.kept(rule);
    int first = sums == null ? 0 : sums.firstNumbers();
    int numbers = sums == null ? 0 : Math.max(first, sums.numberNames().size());
    this.floatFirst = new float[first];
    this.doubleFirst = new double[first];
    this.floatSums = new CpuFloatSums(count, kept, numbers);
    this.doubleSums = new CpuDoubleSums(count, kept, numbers);
  }

  /**
   * Takes the numbers of a step.
   *
   * @param index of the group among those of the inputs
   * @param clipping what the norm's bound leaves of gradients
   */
  void set(StepInputs inputs, int index, double clipping) {
    double[] scalars = inputs.scalars(index);
    for (int i = 0; i < floatScalars.length; i++) {
      floatScalars[i] = (float) scalars[i];
      doubleScalars[i] = scalars[i];
    }
    keepsParameters = inputs.keepsParameters(index);
    isIdle = keepsParameters && isPass;
    step = inputs.step(index);
    averageWeight = (float) inputs.averageWeight(index);
    gradients.set(inputs.gradientNumbers(index), inputs.gradientScale(), clipping, sign);
  }
}
