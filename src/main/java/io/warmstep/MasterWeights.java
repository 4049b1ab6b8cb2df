package io.warmstep;

import java.util.Locale;

/**
 * What an optimizer keeps of parameters that are stored in 16 bits, so that updates too small for
 * them are not lost: a master of more bits, which steps update and of which the parameter is the
 * rounded value. Parameters of float32 and float64 have no need of one.
 */
public enum MasterWeights {
  /** None: what a step computes is rounded to the parameter's type and the rest is lost. */
  NONE,
  /**
   * All of float32. Of a bfloat16 parameter only the 16 bits that it lacks are kept, so that both
   * together take 4 bytes; of a float16 parameter a float32 is.
   */
  EXACT,
  /**
   * The upper 24 bits of float32: of a bfloat16 parameter a correction of 8 bits is kept, so that
   * both together take 3 bytes. Masters are rounded as {@link Rounding} says. Not for float16
   * parameters.
   */
  BITS_24;

  /** The name as the command line writes it: {@code none}, {@code exact} or {@code 24bit}. */
  @Override
  public String toString() {
    return this == BITS_24 ? "24bit" : name().toLowerCase(Locale.ROOT);
  }
}
