package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.RandomRounding;
import io.warmstep.storage.Remainders;

/** One thread's arrays for elements that are more than those of a memory's type. */
final class EncodingScratch {
  private final short[] stored;
  private final short[] rest;
  private final float[] averages;
  private final RandomRounding random = new RandomRounding();

  EncodingScratch(int length) {
    stored = new short[length];
    rest = new short[length];
    averages = new float[length];
  }

  /** Puts masters together. */
  void loadMasters(MemorySlice values, MemorySlice beside, long at, float[] target, int to, int n) {
    values.memory().read(values.offset() + at, stored, 0, n);
    if (values.memory().type() == ElementType.BFLOAT16) {
      beside.memory().read(beside.offset() + at, rest, 0, n);
      Remainders.join(stored, 0, rest, 0, target, to, n);
    } else {
      beside.memory().read(beside.offset() + at, target, to, n);
      Remainders.reconcile(target, to, stored, 0, n);
    }
  }

  /** Takes masters apart. */
  void storeMasters(
      MemorySlice values,
      MemorySlice beside,
      long at,
      float[] source,
      int from,
      int n,
      ElementScratch scratch) {
    if (values.memory().type() == ElementType.BFLOAT16) {
      Remainders.split(source, from, stored, 0, rest, 0, n);
      values.memory().write(values.offset() + at, stored, 0, n);
      beside.memory().write(beside.offset() + at, rest, 0, n);
    } else {
      ((CpuMemory) values.memory()).store(values.offset() + at, source, from, n, scratch);
      beside.memory().write(beside.offset() + at, source, from, n);
    }
  }

  /** Moves averages towards values by a part of the way. */
  void average(MemorySlice average, float weight, long at, float[] values, int from, int n) {
    float[] a = averages;
    average.memory().read(average.offset() + at, a, 0, n);
    for (int i = 0; i < n; i++) {
      a[i] = Math.fma(weight, values[from + i] - a[i], a[i]);
    }
    average.memory().write(average.offset() + at, a, 0, n);
  }

  /**
   * Rounds at random.
   *
   * @param at first element, within its parameter
   */
  void storeRandomly(
      MemorySlice target,
      GroupStep group,
      int parameter,
      int operand,
      long at,
      float[] source,
      int from,
      int n) {
    random.counters(group.seed, group.step, parameter, operand);
    random.store(at, source, from, stored, 0, n);
    target.memory().write(target.offset() + at, stored, 0, n);
  }
}
