package io.warmstep.backend.cpu;

import io.warmstep.rule.FloatBlock;

/** A thread's block: it is pointed at ranges in turn. */
public final class CpuFloatBlock implements FloatBlock {
  private float[] parameters = {};
  private float[] gradients = {};
  private float[][] state = {};
  private int start;
  private int end;
  private float[] scalars = {};
  private float[] numbers = {};
  private boolean hasMoved;
  private boolean isFactored;
  private float[][] terms = {};
  private float gradientScale;
  private float weightDecay;

  /** An empty block. */
  public CpuFloatBlock() {}

  /**
   * Points the block at arrays and a range of them.
   *
   * @param parameters updated in place
   * @param gradients only read
   * @param state updated in place, one array for each of the rule's slots
   * @param start first index
   * @param end index after the last
   */
  public void range(float[] parameters, float[] gradients, float[][] state, int start, int end) {
    this.parameters = parameters;
    this.gradients = gradients;
    this.state = state;
    this.start = start;
    this.end = end;
  }

  /**
   * Sets the values that all elements of a step share.
   *
   * @param scalars the rule's scalars, rounded to float32
   * @param gradientScale see {@link #gradientScale()}
   * @param weightDecay see {@link #weightDecay()}
   */
  public void step(float[] scalars, float gradientScale, float weightDecay) {
    this.scalars = scalars;
    this.gradientScale = gradientScale;
    this.weightDecay = weightDecay;
  }

  /**
   * Sets the values that all elements of a tensor share, for a rule with sums.
   *
   * @param numbers see {@link #number}
   */
  public void tensor(float[] numbers) {
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
  public void terms(float[][] terms) {
    if (this.terms.length != terms.length) {
      this.terms = new float[terms.length][];
    }
    System.arraycopy(terms, 0, this.terms, 0, terms.length);
  }

  @Override
  public float[] parameters() {
    return parameters;
  }

  @Override
  public float[] gradients() {
    return gradients;
  }

  @Override
  public float[] state(int slot) {
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
  public float scalar(int index) {
    return scalars[index];
  }

  @Override
  public float number(int index) {
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
  public float[] terms(int sum) {
    return terms[sum];
  }

  @Override
  public void terms(int sum, float[] operand) {
    terms[sum] = operand;
  }

  @Override
  public float gradientScale() {
    return gradientScale;
  }

  @Override
  public float weightDecay() {
    return weightDecay;
  }
}
