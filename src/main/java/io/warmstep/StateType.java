package io.warmstep;

import java.util.Locale;

/**
 * How the moments of an optimizer's state are stored. Float64 parameters keep state of float64
 * whatever is asked for, and so does state of float32 whose low bits count: sums that only grow,
 * and copies of parameters.
 */
public enum StateType {
  /** As computed, 4 bytes per slot and element. */
  FLOAT32,
  /** Rounded to bfloat16, 2 bytes per slot and element. */
  BFLOAT16;

  /** The name in lower case, as the command line writes it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
