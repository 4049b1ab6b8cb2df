package io.warmstep;

import java.util.Locale;

/**
 * The masters that an optimizer keeps for parameters stored in 16 bits, so that updates too small
 * for these are not lost. A master has more bits; steps update it, and the parameter is its rounded
 * value. Parameters of float32 and float64 do not need one.
 */
public enum MasterWeights {
  /** None: a step's result is rounded to the parameter's type and the rest is lost. */
  NONE,
  /**
   * Full float32. For bfloat16 parameters only the missing 16 bits are stored, 4 bytes in total;
   * for float16 parameters, a whole float32.
   */
  EXACT,
  /**
   * The upper 24 bits of float32: for bfloat16 parameters a correction of 8 bits is stored, 3 bytes
   * in total. Masters are rounded as {@link Rounding} says. Not for float16 parameters.
   */
  BITS_24;

  /** The name as used on the command line: {@code none}, {@code exact} or {@code 24bit}. */
  @Override
  public String toString() {
    return this == BITS_24 ? "24bit" : name().toLowerCase(Locale.ROOT);
  }
}
