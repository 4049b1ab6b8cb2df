package io.warmstep.backend.cpu;

import io.warmstep.rule.DoubleBlock;

/** A thread's block: it is pointed at ranges in turn. */
public final class CpuDoubleBlock implements DoubleBlock {
  private double[] parameters = {};
  private double[] gradients = {};
  private double[][] state = {};
  private int start;
  private int end;
  private double[] scalars = {};
  private double[] numbers = {};
  private boolean hasMoved;
  private boolean isFactored;
  private double[][] terms = {};
  private double gradientScale;
  private double weightDecay;

  /** An empty block. */
  public CpuDoubleBlock() {}

  /**
   * Points the block at arrays and a range of them.
   *
   * @param parameters updated in place
   * @param gradients only read
   * @param state updated in place, one array for each of the rule's slots
   * @param start first index
   * @param end index after the last
   */
  public void range(double[] parameters, double[] gradients, double[][] state, int start, int end) {
    this.parameters = parameters;
    this.gradients = gradients;
    this.state = state;
    this.start = start;
    this.end = end;
  }

  /**
   * Sets the values that all elements of a step share.
   *
   * @param scalars the rule's scalars, rounded to float64
   * @param gradientScale see {@link #gradientScale()}
   * @param weightDecay see {@link #weightDecay()}
   */
  public void step(double[] scalars, double gradientScale, double weightDecay) {
    this.scalars = scalars;
    this.gradientScale = gradientScale;
    this.weightDecay = weightDecay;
  }

  /**
   * Sets the values that all elements of a tensor share, for a rule with sums.
   *
   * @param numbers see {@link #number}
   */
  public void tensor(double[] numbers) {
    this.numbers = numbers;
  }

  /**
   * Sets whether the state that the first phase writes has already been updated.
   *
   * @param hasMoved see {@link #hasMoved()}
   */
  public void moved(boolean hasMoved) {
    this.hasMoved = hasMoved;
  }

  /**
   * Sets what the first slot is.
   *
   * @param isFactored see {@link #isFactored()}
   */
  public void factored(boolean isFactored) {
    this.isFactored = isFactored;
  }

  /**
   * Sets where the first phase of a rule with sums writes. Comes before every call of it, whose
   * terms are then read through {@link #terms(int)}: a rule may put an operand in an array's place.
   *
   * @param terms see {@link #terms(int)}
   */
  public void terms(double[][] terms) {
    if (this.terms.length != terms.length) {
      this.terms = new double[terms.length][];
    }
    System.arraycopy(terms, 0, this.terms, 0, terms.length);
  }

  @Override
  public double[] parameters() {
    return parameters;
  }

  @Override
  public double[] gradients() {
    return gradients;
  }

  @Override
  public double[] state(int slot) {
    return state[slot];
  }

  @Override
  public int start() {
    return start;
  }

  @Override
  public int end() {
    return end;
  }

  @Override
  public double scalar(int index) {
    return scalars[index];
  }

  @Override
  public double number(int index) {
    return numbers[index];
  }

  @Override
  public boolean hasMoved() {
    return hasMoved;
  }

  @Override
  public boolean isFactored() {
    return isFactored;
  }

  @Override
  public double[] terms(int sum) {
    return terms[sum];
  }

  @Override
  public void terms(int sum, double[] operand) {
    terms[sum] = operand;
  }

  @Override
  public double gradientScale() {
    return gradientScale;
  }

  @Override
  public double weightDecay() {
    return weightDecay;
  }
}
