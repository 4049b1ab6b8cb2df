package io.warmstep;

import java.util.Locale;

/**
 * How numbers are rounded where a step stores them in bfloat16, as masters of 24 bits, or squares
 * in codes of 8 bits. Moments in codes are rounded to the nearest whatever is asked for.
 */
public enum Rounding {
  /** To the nearest, and of two that are as near to the one whose last bit is 0. */
  NEAREST,
  /**
   * Up or down at random, each with a probability by which the result is right on average: what is
   * too small for one step adds up over many. The random numbers follow from a seed, the parameter,
   * the element and the step alone, so every device has the same.
   */
  STOCHASTIC;

  /** The name in lower case, as the command line writes it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
