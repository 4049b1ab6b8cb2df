package io.warmstep.rule;

/**
 * A range of elements that a rule updates in float64: parameters, gradients and state lie at the
 * same indices {@code start} to {@code end} of their arrays. One index for all arrays is what lets
 * the JIT compiler vectorize a rule's loop.
 *
 * <p>A backend keeps one block per thread and points it at ranges in turn.
 */
public final class DoubleBlock {
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
  public DoubleBlock() {}

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
   * Sets the values that all elements of a tensor share, for a rule with {@link UpdateRule#sums}.
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
   * Whether the state that the first phase writes has already been updated, so that only its terms
   * are left to compute: for state kept in fewer bits, from its rounded values, and for {@linkplain
   * UpdateRule#isFactored() factors}, which are updated before.
   *
   * @return false if the phase must update and write it
   */
  public boolean hasMoved() {
    return hasMoved;
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
   * Whether squares are kept as factors here, as those of a matrix are: {@code state(0)} then holds
   * inverse roots, not squares, as {@link UpdateRule#isFactored()} says, and is only read.
   *
   * @return false if it is the rule's first slot, or the rule keeps no factors
   */
  public boolean isFactored() {
    return isFactored;
  }

  /**
   * Sets where the first phase of a rule with {@link UpdateRule#sums} writes. Comes before every
   * call of {@link TensorSums#sum(DoubleBlock)}, whose terms are then read through {@link
   * #terms(int)}: a rule may put an operand in an array's place.
   *
   * @param terms see {@link #terms}
   */
  public void terms(double[][] terms) {
    if (this.terms.length != terms.length) {
      this.terms = new double[terms.length][];
    }
    System.arraycopy(terms, 0, this.terms, 0, terms.length);
  }

  /**
   * Takes an operand of the range for the terms of a sum, so that the first phase need not copy it.
   * It stays so until {@link #terms(double[][])} is called, and {@link #terms(int)}, which then
   * returns the operand, must not be written.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   * @param operand parameters, gradients or state of this block, as the phase leaves them
   */
  public void terms(int sum, double[] operand) {
    terms[sum] = operand;
  }

  /**
   * The parameters.
   *
   * @return the array, to be updated in place
   */
  public double[] parameters() {
    return parameters;
  }

  /**
   * The gradients, as the pipeline wrote them.
   *
   * @return the array, not to be written
   */
  public double[] gradients() {
    return gradients;
  }

  /**
   * One of the rule's state slots.
   *
   * @param slot its index in {@link UpdateRule#stateSlots()}
   * @return the array, to be updated in place
   */
  public double[] state(int slot) {
    return state[slot];
  }

  /**
   * First index of the range.
   *
   * @return an index into every array
   */
  public int start() {
    return start;
  }

  /**
   * Index after the last of the range.
   *
   * @return an index into every array
   */
  public int end() {
    return end;
  }

  /**
   * One of the numbers that {@link UpdateRule#scalars} computed.
   *
   * @param index from 0
   * @return the number, rounded to float64
   */
  public double scalar(int index) {
    return scalars[index];
  }

  /**
   * One of the numbers of the elements' tensor, or of its group; in the first phase, one of those
   * that {@link TensorSums#begin(DoubleSums)} computed.
   *
   * @param index its place in {@link TensorSums#numberNames()}
   * @return the number
   */
  public double number(int index) {
    return numbers[index];
  }

  /**
   * The terms to be summed over each tensor, at the indices of the elements.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   * @return the array, to be written unless {@linkplain #terms(int, double[]) an operand} is taken
   */
  public double[] terms(int sum) {
    return terms[sum];
  }

  /**
   * Makes the gradients that enter the formula, {@link #gradientScale()} times the raw ones, the
   * terms of a sum.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   */
  void scaledGradients(int sum) {
    double scale = gradientScale;
    if (scale == 1) {
      terms(sum, gradients);
      return;
    }
    double[] g = gradients;
    double[] to = terms[sum];
    for (int i = start; i < end; i++) {
      to[i] = scale * g[i];
    }
  }

  /**
   * The factor left to apply to gradients before the rule sees them: the optimizer's gradient scale
   * divided by the loss scale, clipping by global norm, the tensor's factor of adaptive clipping
   * and the sign of {@link UpdateRule#maximize()}.
   *
   * @return the factor, 1 if there is nothing to do
   */
  public double gradientScale() {
    return gradientScale;
  }

  /**
   * The factor of {@link UpdateRule#coupledWeightDecay}, rounded to float64.
   *
   * @return 0 if no weight decay is added to gradients
   */
  public double weightDecay() {
    return weightDecay;
  }

  /**
   * The gradient that enters a rule's formula. Written as a static function of plain values so that
   * a loop that calls it still vectorizes.
   *
   * @param scale {@link #gradientScale()}
   * @param gradient the raw gradient
   * @param decays whether weight decay is added; a loop invariant
   * @param weightDecay {@link #weightDecay()}
   * @param parameter the parameter's value before this step
   * @return {@code scale * gradient}, plus {@code weightDecay * parameter} if it decays
   */
  public static double gradient(
      double scale, double gradient, boolean decays, double weightDecay, double parameter) {
    double scaled = scale * gradient;
    return decays ? Math.fma(weightDecay, parameter, scaled) : scaled;
  }

  /**
   * The sign of a number, without a branch, which would keep a loop from being vectorized: the
   * product makes the least subnormal number more than 1.
   *
   * @param x a number
   * @return -1, 1, or x itself if it is a zero or NaN
   */
  static double sign(double x) {
    return Math.max(-1.0, Math.min(1.0, x * 0x1p1023 * 0x1p1023));
  }

  /**
   * Whether a gradient agrees with a direction in its sign, without a branch.
   *
   * @param direction the direction that the parameter is moved against
   * @param gradient the gradient
   * @return 1 if it does, 0 if it does not or one of them is 0, NaN if one is NaN
   */
  static double agrees(double direction, double gradient) {
    return Math.max(0.0, sign(sign(direction) * gradient));
  }
}
