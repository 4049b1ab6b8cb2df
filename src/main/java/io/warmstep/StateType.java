package io.warmstep;

import java.util.Locale;

/**
 * How the moments of an optimizer's state are stored. Whatever is set, float64 parameters keep
 * float64 state, and state whose low bits matter stays float32: sums that only grow, and copies of
 * parameters.
 */
public enum StateType {
  /** As computed, 4 bytes per slot and element. */
  FLOAT32,
  /** Rounded to bfloat16, 2 bytes per slot and element. */
  BFLOAT16,
  /**
   * Codes of 8 bits in groups of 32 elements with a scale of 16 bits, 1.0625 bytes per slot and
   * element. A moment is accurate to 0.8 % of the largest in its group, the root of an average of
   * squares to 0.8 % of the largest, and more closely where it is smaller. Rounded to nearest,
   * averages of squares with a decay near 1 rise but hardly fall, so that steps become shorter;
   * with {@link Rounding#STOCHASTIC} they are right on average.
   */
  INT8;

  /** The name in lower case, as used on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
