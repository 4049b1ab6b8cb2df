package io.warmstep.backend.cpu;

import io.warmstep.step.GradientNumber;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepOptions;

/**
 * What is done to a group's gradients before its rule, in the order of kernels/gradient.h: to those
 * of float32 arithmetic in float, and to others in double. The loop of a rule multiplies them by a
 * scale and adds the weight decay; all else is done first, to copies.
 */
final class GroupGradients {
  private final boolean clips;
  private final double clipValue;
  private float prescale = 1; // of float32: scales of float64 never leave its range
  private float floatScale;
  private double doubleScale;
  private double weightDecay;

  GroupGradients(StepOptions options) {
    // A bound that is 0 as a float clips to zero; only one of 0 from the start clips nothing.
    this.clips = options.clipValue() > 0;
    this.clipValue = options.clipValue();
  }

  /**
   * Takes the numbers of a step.
   *
   * @param numbers the group's, in the order of {@link GradientNumber}
   * @param scale what all gradients are multiplied by
   * @param clipping what the norm's bound leaves of them
   * @param sign of the group
   */
  void set(double[] numbers, GradientScale scale, double clipping, int sign) {
    prescale = scale.floatPrescale();
    floatScale = sign * (scale.floatScale() * (float) clipping);
    doubleScale = sign * (scale.scale() * clipping);
    weightDecay = numbers[GradientNumber.WEIGHT_DECAY.ordinal()];
  }

  /** Whether there is something to do that a rule's loop does not. */
  boolean arePrepared(boolean isDouble) {
    return clips || (!isDouble && prescale != 1);
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
      clip(g, floatScale * factor, (float) clipValue, from, to);
      return 1;
    }
    return floatScale * factor;
  }

  /** The same in float64. */
  double prepare(double[] g, double factor, int from, int to) {
    if (clips) {
      clip(g, doubleScale * factor, clipValue, from, to);
      return 1;
    }
    return doubleScale * factor;
  }

  /** What the loop multiplies gradients by where nothing is prepared. */
  float floatScale() {
    return floatScale;
  }

  /** The same in float64. */
  double doubleScale() {
    return doubleScale;
  }

  /** What all gradients are multiplied by, before clipping by value, without a sign. */
  float magnitudeOf(float gradient) {
    return Math.abs(floatScale) * (prescale * gradient);
  }

  /** The same in float64. */
  double magnitudeOf(double gradient) {
    return Math.abs(doubleScale) * gradient;
  }

  /** What the loop adds of the parameter. */
  double weightDecay() {
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

  private static void clip(double[] g, double by, double bound, int from, int to) {
    for (int i = from; i < to; i++) {
      g[i] = Math.max(-bound, Math.min(bound, by * g[i]));
    }
  }
}
