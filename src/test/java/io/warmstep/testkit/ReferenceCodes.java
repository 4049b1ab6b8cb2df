package io.warmstep.testkit;

import java.util.function.IntUnaryOperator;

/**
 * What is left of state that is stored as 8-bit codes, number by number as docs/NUMERICS.md says:
 * in float32 where it is rounded, in double where nothing is.
 */
public final class ReferenceCodes {
  private static final int GROUP = 32;

  private ReferenceCodes() {}

  /** The least number of 8 bits of fraction, and of float32's exponents, that is no smaller. */
  private static double scale(double largest) {
    double quantum = Math.scalb(1.0, Math.max(Math.getExponent(largest), -126) - 8);
    return Math.ceil(largest / quantum) * quantum;
  }

  private static double largest(double[] values, int first) {
    double largest = 0;
    for (int i = first; i < Math.min(values.length, first + GROUP); i++) {
      if (Double.isFinite(values[i])) {
        largest = Math.max(largest, Math.abs(values[i]));
      }
    }
    return largest;
  }

  /** Moments of either sign. */
  public static double[] moments(double[] values) {
    double[] left = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      float scale = (float) Math.min(scale(largest(values, i / GROUP * GROUP)), 0x1p126);
      float x = (float) Math.min(Math.abs(values[i]), scale);
      float share = 2 * x / (scale + x);
      int code = scale == 0 ? 0 : (int) Math.floor(share * 127 + 0.5f);
      float magnitude = (float) code / (254 - code) * scale;
      boolean isNegative = values[i] < 0 && code != 0;
      left[i] = Double.isFinite(values[i]) ? (isNegative ? -magnitude : magnitude) : Double.NaN;
    }
    return left;
  }

  /**
   * Averages of squares.
   *
   * @param random 16 bits for each element, or null to round to nearest
   */
  public static double[] squares(double[] values, IntUnaryOperator random) {
    double[] roots = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      roots[i] = (float) Math.sqrt(values[i]);
    }
    double[] left = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      float scale = (float) Math.min(scale(largest(roots, i / GROUP * GROUP)), 511 * 0x1p55);
      if (!Double.isFinite(roots[i])) {
        left[i] = roots[i];
        continue;
      }
      float share = scale == 0 ? 0 : (float) roots[i] / scale;
      share = (float) Math.sqrt(share);
      share = (float) Math.sqrt(share);
      float threshold = random == null ? 0.5f : random.applyAsInt(i) / 65536f;
      int code = Math.min(253, (int) Math.floor(share * 253 + threshold));
      float half = code * code * (1f / 64009);
      float root = half * half * scale;
      left[i] = root * root;
    }
    return left;
  }
}
