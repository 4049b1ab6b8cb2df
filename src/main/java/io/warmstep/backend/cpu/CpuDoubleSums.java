package io.warmstep.backend.cpu;

import io.warmstep.rule.DoubleSums;

/** The sums of one tensor or group after the other. */
public final class CpuDoubleSums implements DoubleSums {
  private final double[] sums;
  private final double[] kept;
  private final double[] numbers;
  private double[] scalars = {};
  private double count;
  private double rows;
  private double columns;

  /**
   * Allocates room.
   *
   * @param sums number of sums
   * @param kept number of state slots that hold one value per tensor
   * @param numbers the most numbers that are computed
   */
  public CpuDoubleSums(int sums, int kept, int numbers) {
    this.sums = new double[sums];
    this.kept = new double[kept];
    this.numbers = new double[numbers];
  }

  /**
   * Moves on to a tensor.
   *
   * @param count number of its elements
   * @param rows length of its first dimension
   * @param scalars the rule's scalars, rounded to float64
   */
  public void tensor(long count, long rows, double[] scalars) {
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
   * @param scalars the rule's scalars, rounded to float64
   */
  public void group(long count, double[] scalars) {
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
  public void sum(int index, double value) {
    sums[index] = value;
  }

  /**
   * The tensor's numbers.
   *
   * @param to receives them
   */
  public void copyNumbers(double[] to) {
    System.arraycopy(numbers, 0, to, 0, to.length);
  }

  @Override
  public double sum(int index) {
    return sums[index];
  }

  @Override
  public double count() {
    return count;
  }

  @Override
  public double rows() {
    return rows;
  }

  @Override
  public double columns() {
    return columns;
  }

  @Override
  public double scalar(int index) {
    return scalars[index];
  }

  @Override
  public double kept(int slot) {
    return kept[slot];
  }

  @Override
  public void keep(int slot, double value) {
    kept[slot] = value;
  }

  @Override
  public void number(int index, double value) {
    numbers[index] = value;
  }
}
