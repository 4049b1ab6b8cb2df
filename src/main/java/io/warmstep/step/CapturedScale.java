package io.warmstep.step;

/**
 * What captured steps need to know of what gradients are multiplied by: the loss scale itself moves
 * on the device.
 *
 * @param gradientScale the factor apart from the loss scale, of steps that are given no other
 * @param growthFactor what the loss scale is multiplied by when it grows
 * @param backoffFactor what it is multiplied by after a skipped step
 * @param growthInterval steps in a row with finite gradients before it grows; 0 without a loss
 *     scale
 * @param lossScaleAddress where the device leaves the loss scale for kernels of the caller's, as a
 *     float32; 0 without one
 */
public record CapturedScale(
    double gradientScale,
    double growthFactor,
    double backoffFactor,
    int growthInterval,
    long lossScaleAddress) {
  /**
   * What gradients are multiplied by first.
   *
   * @param gradientScale the factor apart from the loss scale
   * @param lossScale what the loss was multiplied by
   * @return the factor
   */
  public static GradientScale at(double gradientScale, double lossScale) {
    GradientScale scale = new GradientScale();
    scale.set(gradientScale / lossScale);
    return scale;
  }

  /**
   * Whether such steps can have a loss scale. Allocates nothing.
   *
   * @param gradientScale the factor of gradients apart from it
   * @param lossScale what the loss is multiplied by
   * @return false if what gradients are multiplied by is no normal float32 number then
   */
  public static boolean isInRange(double gradientScale, double lossScale) {
    double factor = gradientScale / lossScale;
    int exponent = Math.getExponent(factor);
    if ((float) Math.scalb(factor, -exponent) == 2) {
      exponent++;
    }
    return exponent >= Float.MIN_EXPONENT && exponent <= Float.MAX_EXPONENT;
  }

  /**
   * The same for whatever a loss scale becomes in some steps.
   *
   * @param gradientScale the factor of gradients apart from it
   * @param lossScale what the loss is multiplied by now
   * @param steps how many
   * @return false if one of them may be out of range
   */
  public boolean staysInRange(double gradientScale, double lossScale, long steps) {
    double larger = lossScale;
    double smaller = lossScale;
    for (long i = 0; i < steps && growthInterval > 0; i++) {
      larger = Math.min(larger * growthFactor, Float.MAX_VALUE);
      smaller = Math.max(smaller * backoffFactor, Float.MIN_NORMAL);
    }
    return isInRange(gradientScale, lossScale)
        && isInRange(gradientScale, larger)
        && isInRange(gradientScale, smaller);
  }
}
