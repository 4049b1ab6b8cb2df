package io.warmstep.backend.cpu;

import io.warmstep.backend.UpdateTiles;
import java.util.Arrays;

/** Sums of tiles in float64 arithmetic. All arrays have one index, so that the loops vectorize. */
final class DoubleTileSums extends TileSums {
  private static final int HALF = UpdateTiles.TILE / 2;

  /** What makes the smallest subnormal more than 1 if multiplied by it twice. */
  private static final double LARGE = 0x1p1023;

  private final double[] before;
  private final double[] after;
  private final double[] gradients;
  private final double[] first; // squares of changes, then what moves
  private final double[] second; // squares of values, then what stays
  private double[] rows = {};

  DoubleTileSums(int tiles) {
    super(tiles);
    int length = tiles * UpdateTiles.TILE;
    before = new double[length];
    after = new double[length];
    gradients = new double[length];
    first = new double[length];
    second = new double[length];
  }

  @Override
  void prepare(int numbers) {
    rows = rows.length < numbers ? new double[numbers] : rows;
  }

  @Override
  public double[] before() {
    return before;
  }

  @Override
  public double[] after() {
    return after;
  }

  @Override
  public double[] gradients() {
    return gradients;
  }

  @Override
  public double[] rows() {
    return rows;
  }

  @Override
  void changes(int from, int n, int row) {
    int width = DoubleTreeSum.paddedWidth(n);
    Arrays.fill(before, from + n, from + width, 0.0);
    Arrays.fill(after, from + n, from + width, 0.0);
    Arrays.fill(gradients, from + n, from + width, 0.0);
    square(from, width);
    int sums = Math.min(width, HALF);
    rows[row + UpdateTiles.CHANGE] = DoubleTreeSum.fold(first, from, sums);
    rows[row + UpdateTiles.SIZE] = DoubleTreeSum.fold(second, from, sums);
    mark(from, width);
    double moving = DoubleTreeSum.fold(first, from, width);
    double still = DoubleTreeSum.fold(second, from, width);
    if (Double.isNaN(moving) || Double.isNaN(still)) { // of what is not finite
      count(from, n, row);
    } else {
      rows[row + UpdateTiles.MOVING] = moving;
      rows[row + UpdateTiles.STILL] = still;
    }
  }

  /** The squares, of which those of both halves of a tile are added. */
  private void square(int from, int width) {
    double[] a = after;
    double[] b = before;
    double[] c = first;
    double[] s = second;
    if (width < UpdateTiles.TILE) { // the other half is padding
      for (int i = from; i < from + width; i++) {
        double x = b[i];
        double d = a[i] - x;
        c[i] = d * d;
        s[i] = x * x;
      }
      return;
    }
    for (int i = from; i < from + HALF; i++) {
      double x = b[i];
      double y = b[i + HALF];
      double d = a[i] - x;
      double e = a[i + HALF] - y;
      c[i] = Math.fma(e, e, d * d);
      s[i] = Math.fma(y, y, x * x);
    }
  }

  /** 1 for each element that moves and for each that stays, or NaN beside what is not finite. */
  private void mark(int from, int width) {
    double[] a = after;
    double[] b = before;
    double[] g = gradients;
    double[] m = first;
    double[] s = second;
    for (int i = from; i < from + width; i++) {
      double moves = Math.min(1.0, Math.abs(g[i]) * LARGE * LARGE) + 0.0 * g[i];
      double changes = Math.min(1.0, Math.abs(a[i] - b[i]) * LARGE * LARGE);
      m[i] = moves;
      s[i] = moves - moves * changes;
    }
  }

  private static boolean moves(double gradient) {
    return gradient != 0 && Double.isFinite(gradient);
  }

  private void count(int from, int n, int row) {
    int moving = 0;
    int still = 0;
    for (int i = from; i < from + n; i++) {
      if (moves(gradients[i])) {
        moving++;
        still += after[i] - before[i] == 0 ? 1 : 0;
      }
    }
    rows[row + UpdateTiles.MOVING] = moving;
    rows[row + UpdateTiles.STILL] = still;
  }

  @Override
  void codes(float bound, int from, int n, int row) {
    throw new AssertionError("state of float64 parameters is never stored as codes");
  }
}
