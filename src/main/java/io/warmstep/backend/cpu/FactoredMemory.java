package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.check.Arguments;
import io.warmstep.storage.Storage;

/**
 * What gradients are multiplied by where squares are kept as factors of rows and columns, as an
 * operand that phases read: the inverse root of the squares, which of element (i, j) of a matrix is
 * {@code min(rows[i] * columns[j], bound)}. Nothing is stored.
 */
final class FactoredMemory extends CpuMemory {
  private final StepPlan.Factors factors;
  private final Storage storage;
  private final long length;

  /** Of all matrices, one after the other: written in each step before the first phase. */
  final float[] floatRows;

  final float[] floatColumns;
  final double[] doubleRows;
  final double[] doubleColumns;

  /** The largest of each matrix's columns, or NaN if one is: likewise. */
  final float[] floatLargest;

  final double[] doubleLargest;

  /** What is the most: likewise. */
  float floatBound;

  double doubleBound;

  FactoredMemory(StepPlan.Factors factors, Storage arithmetic, boolean isDouble) {
    this.factors = factors;
    this.storage = arithmetic;
    this.length = factors.matrices() * factors.height() * factors.width();
    requireArrays(factors);
    int rows = (int) (factors.matrices() * factors.height());
    int columns = (int) (factors.matrices() * factors.width());
    int matrices = (int) factors.matrices();
    this.floatRows = new float[isDouble ? 0 : rows];
    this.floatColumns = new float[isDouble ? 0 : columns];
    this.floatLargest = new float[isDouble ? 0 : matrices];
    this.doubleRows = new double[isDouble ? rows : 0];
    this.doubleColumns = new double[isDouble ? columns : 0];
    this.doubleLargest = new double[isDouble ? matrices : 0];
  }

  /** Checks that what there is for each row, column and matrix fits an array. */
  private static void requireArrays(StepPlan.Factors factors) {
    long most = Math.max(factors.rowSums(), factors.columnSums());
    if (Math.max(most, 2 * factors.matrices()) > Integer.MAX_VALUE - 8) {
      throw Arguments.refusal(
          "a parameter with factors",
          factors.matrices() + " x " + factors.height() + " x " + factors.width(),
          "of matrices with fewer than 2^31 rows and columns together on the processor",
          "give it a shape whose last two dimensions are longer, or leave the shape out");
    }
  }

  @Override
  void load(long at, Object target, int to, int n, ElementScratch scratch) {
    long width = factors.width();
    for (int done = 0; done < n; ) {
      int row = (int) ((at + done) / width);
      int column = (int) ((at + done) % width);
      int count = (int) Math.min(n - done, width - column);
      int matrix = (int) (row / factors.height());
      int place = (int) (matrix * width + column);
      if (target instanceof float[] floats) {
        System.arraycopy(floatColumns, place, floats, to + done, count);
        multiply(floats, matrix, floatRows[row], to + done, to + done + count);
      } else {
        System.arraycopy(doubleColumns, place, target, to + done, count);
        multiply((double[]) target, matrix, doubleRows[row], to + done, to + done + count);
      }
      done += count;
    }
  }

  /** Most rows are so far from the bound that none of their products has to be compared with it. */
  private void multiply(float[] columns, int matrix, float row, int from, int to) {
    if (row * floatLargest[matrix] <= floatBound) {
      for (int i = from; i < to; i++) {
        columns[i] = row * columns[i];
      }
      return;
    }
    float bound = floatBound;
    for (int i = from; i < to; i++) {
      columns[i] = Math.min(row * columns[i], bound);
    }
  }

  /** The same in float64. */
  private void multiply(double[] columns, int matrix, double row, int from, int to) {
    if (row * doubleLargest[matrix] <= doubleBound) {
      for (int i = from; i < to; i++) {
        columns[i] = row * columns[i];
      }
      return;
    }
    double bound = doubleBound;
    for (int i = from; i < to; i++) {
      columns[i] = Math.min(row * columns[i], bound);
    }
  }

  /** What phases leave of it is of no use: the factors have moved by themselves. */
  @Override
  void store(long at, Object source, int from, int n, ElementScratch scratch) {}

  @Override
  Object arrayAt(long at) {
    return null;
  }

  @Override
  int indexAt(long at) {
    return 0;
  }

  @Override
  long contiguousFrom(long at) {
    return length - at;
  }

  @Override
  boolean needsScratch() {
    return false;
  }

  @Override
  public Storage storage() {
    return storage;
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  public void write(long at, Object array, int offset, int n) {
    throw new UnsupportedOperationException("inverse roots are made of factors, and not written");
  }

  @Override
  public void read(long at, Object array, int offset, int n) {
    throw new UnsupportedOperationException("inverse roots are made of factors: read these");
  }

  @Override
  public void zero(long at, long n) {
    throw new UnsupportedOperationException("inverse roots are made of factors, and not zeroed");
  }

  @Override
  public Location location() {
    return factors.rows().memory().location();
  }

  @Override
  public void close() {}
}
