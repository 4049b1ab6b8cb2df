package io.warmstep.step;

import io.warmstep.check.Arguments;

/**
 * What gradients are multiplied by first: the factor that the user asked for, divided by the loss
 * scale. Each of them is a normal float32 number, but their quotient need not be one. So in float32
 * a gradient is multiplied by {@link #floatPrescale()}, a power of two, and then by {@link
 * #floatScale()}. Mutable, so that a step allocates nothing.
 */
public final class GradientScale {
  private static final int MIN_SUBNORMAL_EXPONENT = -149;

  private double scale = 1;
  private float floatScale = 1;
  private float floatPrescale = 1;
  private float mantissa = 1;
  private int exponent;

  /** A factor of 1. */
  GradientScale() {}

  /**
   * Checks a factor of the user's.
   *
   * @param factor what gradients are multiplied by, apart from the loss scale
   * @throws IllegalArgumentException if it is out of range
   */
  public static void require(double factor) {
    Arguments.requireNormalFloat32(
        "gradientScale", factor, "pass one over the number of batches that are summed, or 1");
  }

  /**
   * Becomes another factor.
   *
   * @param factor above 0 and a normal float64 number
   */
  public void set(double factor) {
    scale = factor;
    exponent = Math.getExponent(factor);
    mantissa = (float) Math.scalb(factor, -exponent);
    if (mantissa == 2) {
      mantissa = 1;
      exponent++;
    }
    int first = 0;
    if (exponent > Float.MAX_EXPONENT) {
      first = exponent - Float.MAX_EXPONENT;
    } else if (exponent < Float.MIN_EXPONENT) {
      // As much as goes, which leaves the other factor room for what clipping makes of it.
      first = Math.max(exponent, MIN_SUBNORMAL_EXPONENT);
    }
    floatPrescale = Math.scalb(1f, first);
    floatScale = Math.scalb(mantissa, exponent - first);
  }

  /**
   * The factor.
   *
   * @return what float64 gradients are multiplied by
   */
  public double scale() {
    return scale;
  }

  /**
   * The second factor of float32 gradients.
   *
   * @return the factor rounded, where that is a normal float32 number
   */
  public float floatScale() {
    return floatScale;
  }

  /**
   * The first factor of float32 gradients.
   *
   * @return a power of two; 1 where the whole factor is a normal float32 number
   */
  public float floatPrescale() {
    return floatPrescale;
  }

  /**
   * The factor rounded to float32 as if that had no bounds: its mantissa.
   *
   * @return at least 1 and below 2
   */
  public float mantissa() {
    return mantissa;
  }

  /**
   * The power of two that goes with {@link #mantissa()}.
   *
   * @return its exponent
   */
  public int exponent() {
    return exponent;
  }
}
