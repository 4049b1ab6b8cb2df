package io.warmstep.rule;

/**
 * A range of elements that a rule updates in float64: parameters, gradients and state lie at the
 * same indices {@code start} to {@code end} of their arrays. One index for all arrays is what lets
 * the JIT compiler vectorize a rule's loop.
 *
 * <p>A backend makes one per thread and points it at ranges in turn; a rule only uses it, in the
 * call that it is passed to. Methods may be added.
 */
public interface DoubleBlock {
  /**
   * The parameters.
   *
   * @return the array, to be updated in place
   */
  double[] parameters();

  /**
   * The gradients, as the pipeline wrote them.
   *
   * @return the array, not to be written
   */
  double[] gradients();

  /**
   * One of the rule's state slots.
   *
   * @param slot its index in {@link UpdateRule#stateSlots()}
   * @return the array, to be updated in place
   */
  double[] state(int slot);

  /**
   * First index of the range.
   *
   * @return an index into every array
   */
  int start();

  /**
   * Index after the last of the range.
   *
   * @return an index into every array
   */
  int end();

  /**
   * One of the numbers that {@link UpdateRule#scalars} computed.
   *
   * @param index from 0
   * @return the number, rounded to float64
   */
  double scalar(int index);

  /**
   * One of the numbers of the elements' tensor, or of its group; in the first phase, one of those
   * that {@link TensorSums#begin(DoubleSums)} computed.
   *
   * @param index its place in {@link TensorSums#numberNames()}
   * @return the number
   */
  double number(int index);

  /**
   * Whether the state that the first phase writes has already been updated, so that only its terms
   * are left to compute: for state kept in fewer bits, from its rounded values, and for {@linkplain
   * UpdateRule#isFactored() factors}, which are updated before.
   *
   * @return false if the phase must update and write it
   */
  boolean hasMoved();

  /**
   * Whether squares are kept as factors here, as those of a matrix are: {@code state(0)} then holds
   * inverse roots, not squares, as {@link UpdateRule#isFactored()} says, and is only read.
   *
   * @return false if it is the rule's first slot, or the rule keeps no factors
   */
  boolean isFactored();

  /**
   * The terms to be summed over each tensor, at the indices of the elements.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   * @return the array, to be written unless {@linkplain #terms(int, double[]) an operand} is taken
   */
  double[] terms(int sum);

  /**
   * Takes an operand of the range for the terms of a sum, so that the first phase need not copy it.
   * It stays so to the end of the call, and {@link #terms(int)}, which then returns the operand,
   * must not be written.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   * @param operand parameters, gradients or state of this block, as the phase leaves them
   */
  void terms(int sum, double[] operand);

  /**
   * The factor left to apply to gradients before the rule sees them: the optimizer's gradient scale
   * divided by the loss scale, clipping by global norm, the tensor's factor of adaptive clipping
   * and the sign of {@link UpdateRule#maximize()}.
   *
   * @return the factor, 1 if there is nothing to do
   */
  double gradientScale();

  /**
   * The factor of {@link UpdateRule#coupledWeightDecay}, rounded to float64.
   *
   * @return 0 if no weight decay is added to gradients
   */
  double weightDecay();

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
  static double gradient(
      double scale, double gradient, boolean decays, double weightDecay, double parameter) {
    double scaled = scale * gradient;
    return decays ? Math.fma(weightDecay, parameter, scaled) : scaled;
  }
}
