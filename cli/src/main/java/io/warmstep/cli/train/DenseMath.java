package io.warmstep.cli.train;

/**
 * The matrix products of a dense layer, in plain Java. All matrices are row-major.
 *
 * <p>The inner loops run along rows of the output without a reduction, so that the compiler turns
 * them into SIMD code while every element keeps one fixed order of additions: the result has the
 * same bits on every machine.
 */
final class DenseMath {
  private DenseMath() {}

  /**
   * Computes {@code out += x * w}.
   *
   * @param x rows times inner
   * @param xStart the index of the first element of x
   * @param w inner times columns
   * @param out rows times columns
   */
  static void addProduct(
      float[] x, int xStart, float[] w, float[] out, int rows, int inner, int columns) {
    for (int row = 0; row < rows; row++) {
      int xRow = xStart + row * inner;
      int outRow = row * columns;
      int k = 0;
      for (; k + 4 <= inner; k += 4) {
        addFour(
            x[xRow + k],
            x[xRow + k + 1],
            x[xRow + k + 2],
            x[xRow + k + 3],
            w,
            k * columns,
            columns,
            out,
            outRow,
            columns);
      }
      for (; k < inner; k++) {
        addOne(x[xRow + k], w, k * columns, out, outRow, columns);
      }
    }
  }

  /**
   * Computes {@code out += xᵀ * d}.
   *
   * @param x rows times inner
   * @param xStart the index of the first element of x
   * @param d rows times columns
   * @param out inner times columns
   */
  static void addTransposedProduct(
      float[] x, int xStart, float[] d, float[] out, int rows, int inner, int columns) {
    for (int k = 0; k < inner; k++) {
      int outRow = k * columns;
      int row = 0;
      for (; row + 4 <= rows; row += 4) {
        int i = xStart + row * inner + k;
        addFour(
            x[i],
            x[i + inner],
            x[i + 2 * inner],
            x[i + 3 * inner],
            d,
            row * columns,
            columns,
            out,
            outRow,
            columns);
      }
      for (; row < rows; row++) {
        addOne(x[xStart + row * inner + k], d, row * columns, out, outRow, columns);
      }
    }
  }

  /** Writes the transpose of {@code w} (rows times columns) to {@code out}. */
  static void transpose(float[] w, float[] out, int rows, int columns) {
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        out[column * rows + row] = w[row * columns + column];
      }
    }
  }

  /** Adds four scaled rows of {@code m}, one load and store of {@code out} for all four. */
  private static void addFour(
      float a,
      float b,
      float c,
      float d,
      float[] m,
      int start,
      int stride,
      float[] out,
      int outStart,
      int length) {
    int second = start + stride;
    int third = second + stride;
    int fourth = third + stride;
    for (int j = 0; j < length; j++) {
      out[outStart + j] +=
          a * m[start + j] + b * m[second + j] + c * m[third + j] + d * m[fourth + j];
    }
  }

  private static void addOne(float a, float[] m, int start, float[] out, int outStart, int length) {
    for (int j = 0; j < length; j++) {
      out[outStart + j] += a * m[start + j];
    }
  }
}
