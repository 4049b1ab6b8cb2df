package io.warmstep.backend.cpu;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.storage.Storage;

/**
 * The squares that factors of rows and columns stand for, as an operand that phases read: element
 * (i, j) of a matrix is {@code scaledRows[i] * columns[j]}, where a row's factor has been divided
 * by the mean of all. Nothing is stored.
 */
final class FactoredMemory extends CpuMemory {
  private final StepPlan.Factors factors;
  private final Storage storage;
  private final long length;

  /** Of all matrices, one after the other: written in each step before the first phase. */
  final float[] floatRows;

  final double[] doubleRows;

  FactoredMemory(StepPlan.Factors factors, Storage arithmetic, boolean isDouble) {
    this.factors = factors;
    this.storage = arithmetic;
    this.length = factors.matrices() * factors.height() * factors.width();
    int rows = Math.toIntExact(factors.matrices() * factors.height());
    this.floatRows = new float[isDouble ? 0 : rows];
    this.doubleRows = new double[isDouble ? rows : 0];
  }

  @Override
  void load(long at, Object target, int to, int n, ElementScratch scratch) {
    long width = factors.width();
    MemorySlice columns = factors.columns();
    CpuMemory memory = (CpuMemory) columns.memory();
    for (int done = 0; done < n; ) {
      long row = (at + done) / width;
      long column = (at + done) % width;
      int count = (int) Math.min(n - done, width - column);
      long place = row / factors.height() * width + column;
      memory.load(columns.offset() + place, target, to + done, count, scratch);
      if (target instanceof float[] floats) {
        multiply(floats, floatRows[(int) row], to + done, to + done + count);
      } else {
        multiply((double[]) target, doubleRows[(int) row], to + done, to + done + count);
      }
      done += count;
    }
  }

  private static void multiply(float[] columns, float row, int from, int to) {
    for (int i = from; i < to; i++) {
      columns[i] = row * columns[i];
    }
  }

  private static void multiply(double[] columns, double row, int from, int to) {
    for (int i = from; i < to; i++) {
      columns[i] = row * columns[i];
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
    throw new UnsupportedOperationException("squares are written as their factors");
  }

  @Override
  public void read(long at, Object array, int offset, int n) {
    throw new UnsupportedOperationException("squares are read as their factors");
  }

  @Override
  public void zero(long at, long n) {
    throw new UnsupportedOperationException("squares are zeroed as their factors");
  }

  @Override
  public Location location() {
    return factors.rows().memory().location();
  }

  @Override
  public void close() {}
}
