package io.warmstep.backend.cpu;

import io.warmstep.step.GradientNumber;
import io.warmstep.step.StepOptions;

/**
 * What is done to a group's gradients in float32 before its rule, in the order of
 * kernels/gradient.h. The loop of a rule multiplies them by a scale and adds the weight decay; all
 * else is done first, to copies.
 */
final class FloatGradients {
  private final boolean clips;
  private final float clipValue;
  private float prescale = 1;
  private float scale;
  private float weightDecay;

  FloatGradients(StepOptions options) {
    // A bound that is 0 as a float clips to zero; only one of 0 from the start clips nothing.
    this.clips = options.clipValue() > 0;
    this.clipValue = (float) options.clipValue();
  }

  /**
   * Takes the numbers of a step.
   *
   * @param numbers the group's, in the order of {@link GradientNumber}
   * @param prescale what gradients are multiplied by first
   * @param scale what they are multiplied by then, with the group's sign
   */
  void set(double[] numbers, float prescale, float scale) {
    this.prescale = prescale;
    this.scale = scale;
    this.weightDecay = (float) numbers[GradientNumber.WEIGHT_DECAY.ordinal()];
  }

  /** Whether there is something to do that a rule's loop does not. */
  boolean arePrepared() {
    return clips || prescale != 1;
  }

  /**
   * Does that to some gradients.
   *
   * @param factor what the gradients of their tensor are multiplied by besides
   * @return what the rule's loop multiplies them by
   */
  float prepare(float[] g, float factor, int from, int to) {
    if (prescale != 1) {
      scale(g, prescale, from, to);
    }
    if (clips) {
      clip(g, scale * factor, clipValue, from, to);
      return 1;
    }
    return scale * factor;
  }

  /** What the loop multiplies gradients by where nothing is prepared. */
  float scale() {
    return scale;
  }

  /** What all gradients are multiplied by, before clipping by value, without a sign. */
  float magnitudeOf(float gradient) {
    return Math.abs(scale) * (prescale * gradient);
  }

  /** What the loop adds of the parameter. */
  float weightDecay() {
    return weightDecay;
  }

  private static void scale(float[] g, float by, int from, int to) {
    for (int i = from; i < to; i++) {
      g[i] *= by;
    }
  }

  private static void clip(float[] g, float by, float bound, int from, int to) {
    for (int i = from; i < to; i++) {
      g[i] = Math.max(-bound, Math.min(bound, by * g[i]));
    }
  }
}
