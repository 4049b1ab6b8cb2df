package io.warmstep.backend.cpu;

import java.util.Arrays;

/**
 * One thread's tile of a product of matrices in float64. Each element is one chain of fused
 * multiply-adds over the inner index, from its first value on, which starts at zero: so the bits do
 * not depend on how the product is cut.
 *
 * <p>A panel of the right matrix is packed so that its rows and those of the sums have the same
 * indices, for which the innermost loop vectorizes: three rows of the left matrix times three of
 * the panel, nine multiply-adds for six loads and three stores, whose nine factors fit the
 * registers. Six rows of sums stay in the caches nearest while the panel, which fits the
 * second-level cache, goes past them.
 */
final class DoubleProduct {
  private static final int ROWS = MatrixTiles.ROWS;
  private static final int COLUMNS = MatrixTiles.COLUMNS;
  private static final int DEPTH = 48;
  private static final int STEP = 3;

  /**
   * Elements of a row of the panel or of the sums. With its header each takes whole cache lines, so
   * that rows allocated one after the other have the same alignment: the innermost loop begins
   * where its stores are aligned, and so are its loads, until a collector moves rows apart. It
   * takes five lines more than a power of two, since loads wait for stores at the same place in a
   * page.
   */
  private static final int ROW = COLUMNS + 304 / Double.BYTES;

  private final double[][] panel;

  /** Of as many rows as a tile, rounded up to a multiple of {@link #STEP}, as ROWS is. */
  private final double[][] sums;

  /** A row of another matrix, at the sums' indices. */
  private final double[] other = new double[COLUMNS];

  private int tileRow;
  private int rows;
  private int tileColumn;
  private int columns;
  private boolean isHalf;

  DoubleProduct() {
    // At once, since what lies between two allocations shifts the second.
    double[][] all = new double[DEPTH + ROWS][ROW];
    panel = Arrays.copyOf(all, DEPTH);
    sums = Arrays.copyOfRange(all, DEPTH, all.length);
  }

  /**
   * Goes on to a tile.
   *
   * @param half whether elements left of the diagonal are left out, since the product is symmetric
   * @return whether there is anything to compute
   */
  boolean tile(MatrixTiles tiles, int index, boolean half) {
    tileRow = tiles.row(index);
    rows = tiles.rows(index);
    tileColumn = tiles.column(index);
    columns = tiles.columns(index);
    isHalf = half;
    return !half || tileColumn + columns > tileRow;
  }

  /** The first column of one of the tile's rows. */
  private int from(int row) {
    return isHalf ? Math.max(0, tileRow + row - tileColumn) : 0;
  }

  /**
   * Computes the tile.
   *
   * @param left a matrix in rows of {@code depth} elements
   * @param leftAt its first element
   * @param right the other, in rows of {@code width} elements
   * @param rightAt its first element
   */
  void multiply(double[] left, int leftAt, int depth, double[] right, int rightAt, int width) {
    int start = from(0);
    for (int i = 0; i < (rows + STEP - 1) / STEP * STEP; i++) {
      Arrays.fill(sums[i], start, columns, 0.0);
    }
    for (int from = 0; from < depth; from += DEPTH) {
      int n = Math.min(DEPTH, depth - from);
      for (int k = 0; k < n; k++) {
        int at = rightAt + (from + k) * width + tileColumn + start;
        System.arraycopy(right, at, panel[k], start, columns - start);
      }
      for (int i = 0; i < rows; i += 2 * STEP) {
        addRows(i, left, leftAt + from, depth, n);
      }
    }
  }

  /** Adds the panel's part to up to six rows of sums. */
  private void addRows(int row, double[] left, int leftAt, int depth, int n) {
    for (int k = 0; k < n; k += STEP) {
      for (int i = row; i < Math.min(row + 2 * STEP, rows); i += STEP) {
        // Beyond a tile's last row that one is multiplied again, into sums that nobody reads: with
        // a choice of arrays here C2 of JDK 17 does not vectorize the loop that it inlines.
        int second = Math.min(i + 1, rows - 1);
        int third = Math.min(i + 2, rows - 1);
        int first = leftAt + (tileRow + i) * depth + k;
        int from = from(i);
        double[] c0 = sums[i];
        double[] c1 = sums[i + 1];
        double[] c2 = sums[i + 2];
        if (k + STEP <= n) {
          add(
              left,
              first,
              first + (second - i) * depth,
              first + (third - i) * depth,
              c0,
              c1,
              c2,
              panel[k],
              panel[k + 1],
              panel[k + 2],
              from,
              columns);
        } else {
          for (int rest = 0; k + rest < n; rest++) {
            add(left[first + rest], c0, panel[k + rest], from, columns);
            add(left[first + (second - i) * depth + rest], c1, panel[k + rest], from, columns);
            add(left[first + (third - i) * depth + rest], c2, panel[k + rest], from, columns);
          }
        }
      }
    }
  }

  /** All loads come before the first store: otherwise C2 does not always vectorize the loop. */
  private static void add(
      double[] a,
      int first,
      int second,
      int third,
      double[] c0,
      double[] c1,
      double[] c2,
      double[] b0,
      double[] b1,
      double[] b2,
      int from,
      int to) {
    double a00 = a[first];
    double a01 = a[first + 1];
    double a02 = a[first + 2];
    double a10 = a[second];
    double a11 = a[second + 1];
    double a12 = a[second + 2];
    double a20 = a[third];
    double a21 = a[third + 1];
    double a22 = a[third + 2];
    for (int j = from; j < to; j++) {
      double x0 = b0[j];
      double x1 = b1[j];
      double x2 = b2[j];
      double y0 = c0[j];
      double y1 = c1[j];
      double y2 = c2[j];
      c0[j] = Math.fma(a02, x2, Math.fma(a01, x1, Math.fma(a00, x0, y0)));
      c1[j] = Math.fma(a12, x2, Math.fma(a11, x1, Math.fma(a10, x0, y1)));
      c2[j] = Math.fma(a22, x2, Math.fma(a21, x1, Math.fma(a20, x0, y2)));
    }
  }

  private static void add(double a, double[] c, double[] b, int from, int to) {
    for (int j = from; j < to; j++) {
      c[j] = Math.fma(a, b[j], c[j]);
    }
  }

  /**
   * Makes of each element x of the tile {@code fma(factor, x, otherFactor * y)}, y being another
   * matrix's.
   *
   * @param y in rows of {@code width} elements
   * @param at its first element
   */
  void combine(double factor, double otherFactor, double[] y, int at, int width) {
    for (int i = 0; i < rows; i++) {
      System.arraycopy(y, at + (tileRow + i) * width + tileColumn, other, 0, columns);
      combine(sums[i], factor, otherFactor, other, columns);
    }
  }

  private static void combine(double[] x, double factor, double otherFactor, double[] y, int n) {
    for (int j = 0; j < n; j++) {
      x[j] = Math.fma(factor, x[j], otherFactor * y[j]);
    }
  }

  /** Makes of each element x of the tile {@code fma(factor, y, x)}. */
  void addTo(double factor, double[] y, int at, int width) {
    for (int i = 0; i < rows; i++) {
      System.arraycopy(y, at + (tileRow + i) * width + tileColumn, other, 0, columns);
      add(factor, sums[i], other, 0, columns);
    }
  }

  /**
   * Stores the tile; of half a symmetric matrix those from the diagonal on, and their mirror
   * images.
   *
   * @param to in rows of {@code width} elements
   * @param at its first element
   */
  void store(double[] to, int at, int width) {
    for (int i = 0; i < rows; i++) {
      int from = from(i);
      if (from < columns) {
        int place = at + (tileRow + i) * width + tileColumn + from;
        System.arraycopy(sums[i], from, to, place, columns - from);
      }
    }
    for (int i = 0; isHalf && i < rows; i += 16) {
      int end = Math.min(i + 16, rows);
      for (int j = Math.max(0, tileRow + i + 1 - tileColumn); j < columns; j++) {
        int place = at + (tileColumn + j) * width + tileRow;
        int mirrored = Math.min(end, tileColumn + j - tileRow);
        for (int k = i; k < mirrored; k++) {
          to[place + k] = sums[k][j];
        }
      }
    }
  }
}
