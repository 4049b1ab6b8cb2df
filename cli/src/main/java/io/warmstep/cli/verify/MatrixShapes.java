package io.warmstep.cli.verify;

/**
 * Shapes for tensors of which only the count of elements matters, so that rules of matrices take
 * them.
 */
final class MatrixShapes {
  /** Above the sides of tiles on every backend. */
  private static final int MAX_ROWS = 130;

  /** More elements in few columns would take a block of threads for each of many tiles. */
  private static final int MAX_HIGH = 100_000;

  private MatrixShapes() {}

  /** As many rows as divide the count and are no more than columns, or the two exchanged. */
  static long[] of(long length) {
    if (length == 0) {
      return new long[] {0, 3};
    }
    long rows = 1;
    for (long next = 2; next <= MAX_ROWS && next * next <= length; next++) {
      rows = length % next == 0 ? next : rows;
    }
    long columns = length / rows;
    return columns % 2 == 0 || length > MAX_HIGH
        ? new long[] {rows, columns}
        : new long[] {columns, rows};
  }
}
