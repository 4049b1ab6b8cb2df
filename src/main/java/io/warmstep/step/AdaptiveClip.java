package io.warmstep.step;

import io.warmstep.check.Arguments;

/**
 * Adaptive clipping of gradients (Brock et al. 2021, arXiv 2102.06171): the gradient of a tensor is
 * scaled down to a norm of {@code clip * max(|p|, eps)} if it is larger.
 *
 * @param clip the largest ratio of the gradient's norm to the parameter's; 0 for no such clipping
 * @param eps what the parameter's norm counts as at least
 */
public record AdaptiveClip(double clip, double eps) {
  /** What a parameter's norm counts as at least unless asked otherwise. */
  public static final double EPS = 1e-3;

  /** None, where it would be the optimizer's that stands. */
  public static final AdaptiveClip NONE = new AdaptiveClip(0, EPS);

  /** A gradient's norm counts as this much at least where it divides. */
  private static final double MIN_NORM = 1e-6;

  /**
   * Checks.
   *
   * @param clip finite and at least 0
   * @param eps finite and above 0
   */
  public AdaptiveClip {
    Arguments.requireNonNegative("adaptiveClip", clip, "pass a small number such as 0.01");
    Arguments.requirePositive("adaptiveClip: eps", eps, "pass a small number such as 0.001");
  }

  /**
   * Whether gradients are clipped.
   *
   * @return false if the bound is 0
   */
  public boolean isUsed() {
    return clip > 0;
  }

  /**
   * What all elements of a gradient are multiplied by, in float32.
   *
   * @param parameter the parameter's norm
   * @param gradient the gradient's
   * @return at most 1, and 1 if one of them is NaN
   */
  public float factor(float parameter, float gradient) {
    float bound = (float) clip * Math.max(parameter, (float) eps);
    return gradient > bound ? bound / Math.max(gradient, (float) MIN_NORM) : 1f;
  }

  /**
   * The same in float64.
   *
   * @param parameter the parameter's norm
   * @param gradient the gradient's
   * @return at most 1, and 1 if one of them is NaN
   */
  public double factor(double parameter, double gradient) {
    double bound = clip * Math.max(parameter, eps);
    return gradient > bound ? bound / Math.max(gradient, MIN_NORM) : 1.0;
  }
}
