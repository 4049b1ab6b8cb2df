package io.warmstep.backend.cpu;

import io.warmstep.backend.UpdateTiles;
import java.util.Arrays;

/** Sums of tiles in float32 arithmetic. All arrays have one index, so that the loops vectorize. */
final class FloatTileSums extends TileSums {
  private static final int HALF = UpdateTiles.TILE / 2;

  /** What makes the smallest subnormal more than 1 if multiplied by it twice. */
  private static final float LARGE = 0x1p127f;

  private final float[] before;
  private final float[] after;
  private final float[] gradients;
  private final float[] first; // squares of changes, then what moves
  private final float[] second; // squares of values, then what stays
  private float[] rows = {};

  FloatTileSums(int tiles) {
    super(tiles);
    int length = tiles * UpdateTiles.TILE;
    before = new float[length];
    after = new float[length];
    gradients = new float[length];
    first = new float[length];
    second = new float[length];
  }

  @Override
  void prepare(int numbers) {
    rows = rows.length < numbers ? new float[numbers] : rows;
  }

  @Override
  public float[] before() {
    return before;
  }

  @Override
  public float[] after() {
    return after;
  }

  @Override
  public float[] gradients() {
    return gradients;
  }

  @Override
  public float[] rows() {
    return rows;
  }

  @Override
  void changes(int from, int n, int row) {
    int width = FloatTreeSum.paddedWidth(n);
    Arrays.fill(before, from + n, from + width, 0f);
    Arrays.fill(after, from + n, from + width, 0f);
    Arrays.fill(gradients, from + n, from + width, 0f);
    square(from, width);
    int sums = Math.min(width, HALF);
    rows[row + UpdateTiles.CHANGE] = FloatTreeSum.fold(first, from, sums);
    rows[row + UpdateTiles.SIZE] = FloatTreeSum.fold(second, from, sums);
    mark(from, width);
    float moving = FloatTreeSum.fold(first, from, width);
    float still = FloatTreeSum.fold(second, from, width);
    if (Float.isNaN(moving) || Float.isNaN(still)) { // of what is not finite
      count(from, n, row);
    } else {
      rows[row + UpdateTiles.MOVING] = moving;
      rows[row + UpdateTiles.STILL] = still;
    }
  }

  /** The squares, of which those of both halves of a tile are added. */
  private void square(int from, int width) {
    float[] a = after;
    float[] b = before;
    float[] c = first;
    float[] s = second;
    if (width < UpdateTiles.TILE) { // the other half is padding
      for (int i = from; i < from + width; i++) {
        float x = b[i];
        float d = a[i] - x;
        c[i] = d * d;
        s[i] = x * x;
      }
      return;
    }
    for (int i = from; i < from + HALF; i++) {
      float x = b[i];
      float y = b[i + HALF];
      float d = a[i] - x;
      float e = a[i + HALF] - y;
      c[i] = Math.fma(e, e, d * d);
      s[i] = Math.fma(y, y, x * x);
    }
  }

  /** 1 for each element that moves and for each that stays, or NaN beside what is not finite. */
  private void mark(int from, int width) {
    float[] a = after;
    float[] b = before;
    float[] g = gradients;
    float[] m = first;
    float[] s = second;
    for (int i = from; i < from + width; i++) {
      float moves = Math.min(1f, Math.abs(g[i]) * LARGE * LARGE) + 0f * g[i];
      float changes = Math.min(1f, Math.abs(a[i] - b[i]) * LARGE * LARGE);
      m[i] = moves;
      s[i] = moves - moves * changes;
    }
  }

  private static boolean moves(float gradient) {
    return gradient != 0 && Float.isFinite(gradient);
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
    int saturated = 0;
    int vanished = 0;
    for (int i = from; i < from + n; i++) {
      saturated += Math.abs(after[i]) < bound ? 0 : 1; // NaN is not below it
      vanished += after[i] == 0 && moves(gradients[i]) ? 1 : 0;
    }
    rows[row] = saturated;
    rows[row + 1] = vanished;
  }
}
