package io.warmstep.cli.bench;

import io.warmstep.ParametersBuilder;
import java.util.List;

/** Shapes for tensors of which only the count of elements is known, for rules of matrices. */
final class Matrix {
  /** More would make a step of such a rule take minutes on a processor. */
  private static final long MAX_ROWS = 1024;

  private Matrix() {}

  /** Gives a tensor as many rows as divide it and are no more than its columns. */
  static void shape(ParametersBuilder builder, String name, long length) {
    List<Long> shape = of(length);
    builder.shape(name, shape.get(0), shape.get(1));
  }

  /** Rows and columns of so many elements. */
  static List<Long> of(long length) {
    long rows = 1;
    for (long next = 2; next <= MAX_ROWS && next * next <= length; next++) {
      rows = length % next == 0 ? next : rows;
    }
    return List.of(rows, length / rows);
  }
}
