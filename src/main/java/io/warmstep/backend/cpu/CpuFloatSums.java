package io.warmstep.backend.cpu;

import io.warmstep.rule.FloatSums;

/** The sums of one tensor or group after the other. */
public final class CpuFloatSums implements FloatSums {
  private final float[] sums;
  private final float[] kept;
  private final float[] numbers;
  private float[] scalars = {};
  private float count;
  private float rows;
  private float columns;

  /**
   * Allocates room.
   *
   * @param sums number of sums
   * @param kept number of state slots that hold one value per tensor
   * @param numbers the most numbers that are computed
   */
  public CpuFloatSums(int sums, int kept, int numbers) {
    this.sums = new float[sums];
    this.kept = new float[kept];
    this.numbers = new float[numbers];
  }

  /**
   * Moves on to a tensor.
   *
   * @param count number of its elements
   * @param rows length of its first dimension
   * @param scalars the rule's scalars, rounded to float32
   */
  public void tensor(long count, long rows, float[] scalars) {
    this.count = count;
    this.rows = rows;
    long across = count / rows;
    this.columns = across;
    this.scalars = scalars;
  }

  /**
   * Moves on to a group, which has neither rows nor columns.
   *
   * @param count number of elements of all its tensors
   * @param scalars the rule's scalars, rounded to float32
   */
  public void group(long count, float[] scalars) {
    this.count = count;
    this.rows = 0;
    this.columns = 0;
    this.scalars = scalars;
  }

  /**
   * Sets a sum.
   *
   * @param index from 0
   * @param value the root, or the sum itself
   */
  public void sum(int index, float value) {
    sums[index] = value;
  }

  /**
   * The tensor's numbers.
   *
   * @param to receives them
   */
  public void copyNumbers(float[] to) {
    System.arraycopy(numbers, 0, to, 0, to.length);
  }

  @Override
  public float sum(int index) {
    return sums[index];
  }

  @Override
  public float count() {
    return count;
  }

  @Override
  public float rows() {
    return rows;
  }

  @Override
  public float columns() {
    return columns;
  }

  @Override
  public float scalar(int index) {
    return scalars[index];
  }

  @Override
  public float kept(int slot) {
    return kept[slot];
  }

  @Override
  public void keep(int slot, float value) {
    kept[slot] = value;
  }

  @Override
  public void number(int index, float value) {
    numbers[index] = value;
  }
}
