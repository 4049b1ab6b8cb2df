package io.warmstep.testkit;

import io.warmstep.ParametersBuilder;

/**
 * Shapes for parameters whose count of elements is all that a test says, so that rules of matrices
 * can have them: as many rows as divide it, up to a few, since a plain product of matrices takes
 * long; and every other count has rows and columns exchanged.
 */
public final class Shapes {
  private static final int MAX_ROWS = 12;

  private Shapes() {}

  /** Two dimensions of so many elements. */
  public static long[] of(long length) {
    if (length == 0) {
      return new long[] {0, 3};
    }
    long rows = 1;
    for (long candidate = 2;
        candidate <= MAX_ROWS && candidate * candidate <= length;
        candidate++) {
      rows = length % candidate == 0 ? candidate : rows;
    }
    long columns = length / rows;
    return columns % 2 == 0 ? new long[] {rows, columns} : new long[] {columns, rows};
  }

  /** Gives a parameter that was added such a shape. */
  public static ParametersBuilder give(ParametersBuilder builder, String name, long length) {
    return builder.shape(name, of(length));
  }
}
