package io.warmstep.testkit;

/**
 * Squares of gradients as factors of the rows and columns of matrices, one after the other, in the
 * order of NUMERICS.md.
 */
final class ReferenceFactors {
  private static final int TILE_ROWS = 64;
  private static final int TILE_COLUMNS = 256;

  private final Arithmetic a;
  private final int height;
  private final int width;

  /** Of the last two dimensions of a shape. */
  ReferenceFactors(Arithmetic a, int height, int width) {
    this.a = a;
    this.height = height;
    this.width = width;
  }

  /**
   * Moves the factors.
   *
   * @param gradients of all matrices
   * @param rows a factor for each row of all matrices
   * @param columns likewise
   * @param fresh what a step takes of the squares
   * @param eps least mean of rows and least root of squares
   * @return what gradients are then multiplied by: the inverse roots of the squares
   */
  double[] move(double[] gradients, double[] rows, double[] columns, double fresh, double eps) {
    double[] inverses = new double[gradients.length];
    double bound = a.over(1, Math.max(eps, leastNormal()));
    for (int first = 0; first < gradients.length; first += height * width) {
      int firstRow = first / width;
      int firstColumn = first / height;
      double[] lanes = new double[TILE_COLUMNS];
      for (int i = 0; i < height; i++) {
        double sum = 0;
        for (int from = 0; from < width; from += TILE_COLUMNS) {
          double[] tile = new double[TILE_COLUMNS];
          for (int j = from; j < Math.min(width, from + TILE_COLUMNS); j++) {
            tile[j - from] = square(gradients[first + i * width + j]);
          }
          sum = a.plus(sum, halves(tile));
        }
        rows[firstRow + i] = moved(rows[firstRow + i], a.over(sum, a.round(width)), fresh);
        lanes[i % TILE_COLUMNS] = a.plus(lanes[i % TILE_COLUMNS], rows[firstRow + i]);
      }
      for (int j = 0; j < width; j++) {
        double sum = 0;
        for (int from = 0; from < height; from += TILE_ROWS) {
          double tile = 0;
          for (int i = from; i < Math.min(height, from + TILE_ROWS); i++) {
            tile = a.plus(tile, square(gradients[first + i * width + j]));
          }
          sum = a.plus(sum, tile);
        }
        double mean = a.over(sum, a.round(height));
        columns[firstColumn + j] = moved(columns[firstColumn + j], mean, fresh);
      }
      double root = a.root(Math.max(a.over(halves(lanes), a.round(height)), eps));
      for (int i = 0; i < height; i++) {
        double row = a.over(root, a.root(rows[firstRow + i]));
        for (int j = 0; j < width; j++) {
          double column = a.over(1, a.root(columns[firstColumn + j]));
          inverses[first + i * width + j] = Math.min(a.times(row, column), bound);
        }
      }
    }
    return inverses;
  }

  private double leastNormal() {
    return a == Arithmetic.FLOAT64 ? 0x1p-1022 : 0x1p-126;
  }

  private double square(double x) {
    return a.times(x, x);
  }

  private double moved(double factor, double mean, double fresh) {
    return a.fma(fresh, a.plus(mean, -factor), factor);
  }

  private double halves(double[] values) {
    double[] s = values.clone();
    for (int w = s.length / 2; w > 0; w /= 2) {
      for (int i = 0; i < w; i++) {
        s[i] = a.plus(s[i], s[i + w]);
      }
    }
    return s[0];
  }
}
