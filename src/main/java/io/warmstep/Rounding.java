package io.warmstep;

import java.util.Locale;

/**
 * How numbers are rounded where a step stores them in bfloat16, as masters of 24 bits, or squares
 * in codes of 8 bits. Moments in codes are always rounded to the nearest.
 */
public enum Rounding {
  /** To the nearest, ties to the one whose last bit is 0. */
  NEAREST,
  /**
   * Up or down at random so that the result is unbiased; updates too small for one step accumulate
   * over many. The random numbers depend only on a seed, the parameter's number, the element and
   * the step, so every device has the same ones, and a run that is resumed from a checkpoint, too.
   */
  STOCHASTIC;

  /** The name in lower case, as used on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
