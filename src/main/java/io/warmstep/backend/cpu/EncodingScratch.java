package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.storage.RandomRounding;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.StateEncoder;

/** One thread's arrays for elements that are more than those of a memory's type. */
final class EncodingScratch {
  private final short[] stored;
  private final short[] rest;
  private final float[] averages;
  private final StateEncoder encoder = new StateEncoder();
  private final Remainders remainders = new Remainders();
  private int[] bits = {};
  private final RandomRounding random = new RandomRounding();
  private long first; // element, from which random numbers count

  EncodingScratch(int length) {
    stored = new short[length + StateCodes.GROUP]; // the last group of codes is whole
    rest = new short[length];
    averages = new float[length];
  }

  /** Reads numbers in groups. */
  void loadCodes(Operand operand, long length, long at, float[] target, int to, int n) {
    MemorySlice words = operand.slice();
    long group = at / StateCodes.GROUP;
    int groups = (int) StateCodes.groups(n);
    long code = words.offset() + StateCodes.firstCode(group);
    words.memory().read(code, stored, 0, (int) StateCodes.firstCode(groups));
    long scale = words.offset() + StateCodes.firstScale(length) + group;
    words.memory().read(scale, rest, 0, groups);
    StateCodes.decode(stored, rest, operand.encoding().isSquares(), target, to, n);
  }

  /** Writes numbers in groups; at random after {@link #counters}. */
  void storeCodes(
      Operand operand, boolean randomly, long length, long at, float[] source, int from, int n) {
    int[] drawn = randomly ? draw(at, n) : null;
    MemorySlice words = operand.slice();
    boolean areSquares = operand.encoding().isSquares();
    encoder.encode(source, from, areSquares, drawn, stored, rest, n);
    long group = at / StateCodes.GROUP;
    int groups = (int) StateCodes.groups(n);
    long code = words.offset() + StateCodes.firstCode(group);
    words.memory().write(code, stored, 0, (int) StateCodes.firstCode(groups));
    long scale = words.offset() + StateCodes.firstScale(length) + group;
    words.memory().write(scale, rest, 0, groups);
  }

  private int[] draw(long at, int n) {
    if (bits.length < n) {
      bits = new int[stored.length];
    }
    random.draw(first + at, bits, n);
    return bits;
  }

  /**
   * Sets what random numbers follow from.
   *
   * @param first number of the first element within its parameter
   */
  void counters(GroupStep group, int parameter, long first, int operand) {
    random.counters(group.seed, group.step, parameter, operand);
    this.first = first;
  }

  /** Puts masters together. */
  void loadMasters(MemorySlice values, MemorySlice beside, long at, float[] target, int to, int n) {
    values.memory().read(values.offset() + at, stored, 0, n);
    if (values.memory().type() == ElementType.BFLOAT16) {
      beside.memory().read(beside.offset() + at, rest, 0, n);
      remainders.join(stored, 0, rest, 0, target, to, n);
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

  /** Puts masters of 24 bits together, from an even element on. */
  void loadMasters24(Operand operand, long at, float[] target, int to, int n) {
    MemorySlice values = operand.slice();
    MemorySlice words = operand.rest().get();
    values.memory().read(values.offset() + at, stored, 0, n);
    words.memory().read(words.offset() + at / 2, rest, 0, (int) Remainders.words(n));
    remainders.join24(stored, rest, target, to, n);
  }

  /** Takes masters of 24 bits apart; at random after {@link #counters}. */
  void storeMasters24(Operand operand, boolean randomly, long at, float[] source, int from, int n) {
    MemorySlice values = operand.slice();
    MemorySlice words = operand.rest().get();
    remainders.pack24(source, from, randomly ? draw(at, n) : null, stored, rest, n);
    values.memory().write(values.offset() + at, stored, 0, n);
    words.memory().write(words.offset() + at / 2, rest, 0, (int) Remainders.words(n));
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

  /** Rounds at random, after {@link #counters}. */
  void storeRandomly(MemorySlice target, long at, float[] source, int from, int n) {
    random.store(first + at, source, from, stored, 0, n);
    target.memory().write(target.offset() + at, stored, 0, n);
  }
}
