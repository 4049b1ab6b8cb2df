package io.warmstep.rule;

import java.util.List;
import java.util.Optional;

/**
 * An update rule, which computes new parameters and optimizer state from gradients. Rules are
 * immutable and validated on construction; they hold hyperparameters and no state.
 *
 * <p>A rule has three parts. {@link #stateSlots()} declares the state kept for each element. {@link
 * #scalars} computes, once per step and in double, the numbers that are the same for all elements;
 * they are then rounded once to the arithmetic type. {@code update} is the loop over a block of
 * elements in plain Java; the OpenCL and CUDA backends run the header {@code
 * kernels/rules/<name>.h} instead, which performs the same operations in the same order and so
 * gives the same bits.
 *
 * <p>Work common to all rules is done by the backend: it scales, sign-flips and clips the gradient,
 * and passes on the remaining work in {@link FloatBlock#gradientScale()} and {@link
 * FloatBlock#weightDecay()}.
 */
public interface UpdateRule {
  /**
   * Name of the rule.
   *
   * @return a lower-case word such as {@code adam}
   */
  String name();

  /**
   * Name of the kernel header for this form of the rule: {@code kernels/rules/<kernel>.h}. Forms
   * under one name differ only in their {@link #options()}; forms that differ in their phases have
   * different names.
   *
   * @return the rule's name, unless this form has its own header
   */
  default String kernel() {
    return name();
  }

  /**
   * The rule's state, in the order in which blocks hold it: first the slots with a value per
   * element, then those with one value per parameter.
   *
   * @return the slots, empty for a rule without state
   */
  List<StateSlot> stateSlots();

  /**
   * The state that the rule keeps for a parameter.
   *
   * @param dimensions number of dimensions of the parameter's shape
   * @return the ones of {@link #stateSlots()} that it has, in their order
   */
  default List<StateSlot> stateSlots(int dimensions) {
    return stateSlots().stream().filter(slot -> slot.isOf(dimensions)).toList();
  }

  /**
   * Whether the first slot, a running average of squared gradients, is kept as factors R of rows
   * and C of columns for parameters with two or more dimensions: the squares are {@code R * C /
   * mean(R)}. The slots of both follow it. Such a rule has {@link #sums()}. Before its first phase
   * a backend updates the factors. In the place of the first slot both phases then read the inverse
   * roots of the squares, what gradients are multiplied by, and {@link FloatBlock#isFactored()}
   * says so:
   *
   * <pre>
   * row = sqrt(max(mean(R), eps)) / sqrt(R)
   * column = 1 / sqrt(C)
   * state(0) = min(row * column, 1 / eps)
   * </pre>
   *
   * <p>Scalar 0 is the weight of the new squares, scalar 1 is eps, 0 for the epsilon of the
   * arithmetic type. In {@code 1 / eps} it counts as at least the smallest normal number, so that
   * the bound is finite.
   *
   * @return false if the rule has no row or column slots
   */
  default boolean isFactored() {
    return stateSlots().stream().anyMatch(StateSlot::isFactor);
  }

  /**
   * Whether the objective is maximized: the gradient's sign is flipped before anything else.
   *
   * @return true to ascend
   */
  boolean maximize();

  /**
   * Weight decay that is added to the gradient (L2 regularization): {@code g + coupledWeightDecay *
   * p}.
   *
   * @param at the step
   * @return its factor, 0 for none or if the rule decays weights in another way
   */
  double coupledWeightDecay(StepValues at);

  /**
   * Returns a copy with another weight decay, of the kind that the rule defines.
   *
   * @param weightDecay at least 0 and finite
   * @return a copy
   * @throws IllegalArgumentException if the value is not allowed
   */
  UpdateRule weightDecay(double weightDecay);

  /**
   * The choices that change which operations are performed, as the kernel header numbers them. Java
   * loops read the hyperparameters themselves.
   *
   * @return a set of bits, 0 for a rule without such choices
   */
  default int options() {
    return 0;
  }

  /**
   * Hyperparameters that a schedule may change from step to step: the ones that {@link #scalars}
   * and {@link #coupledWeightDecay} read with {@link StepValues#get}. Each must be in [0, 1) in
   * every step, {@code weightDecay} finite and at least 0.
   *
   * @return their names, such as {@code beta1}
   */
  default List<String> movable() {
    return List.of();
  }

  /**
   * Names of the numbers that {@link #scalars} writes, in their order.
   *
   * @return the names, for messages
   */
  List<String> scalarNames();

  /**
   * Computes the numbers of one step that are the same for every element. Allocates nothing.
   *
   * @param at the step
   * @param out receives a value for each of {@link #scalarNames()}, from index 0
   */
  void scalars(StepValues at, double[] out);

  /**
   * Numbers that the rule keeps from step to step, shared by all parameters of a group, such as a
   * product over the steps so far. They are part of the optimizer's state.
   *
   * @return their names, which are PyTorch's, and their initial values
   */
  default List<StateSlot> keptNumbers() {
    return List.of();
  }

  /**
   * Advances the numbers of {@link #keptNumbers()} after a step that happened. Allocates nothing.
   *
   * @param at the step
   * @param kept the numbers in their order, to be updated
   */
  default void advance(StepValues at, double[] kept) {}

  /**
   * Name of the CUDA entry points of the first phase and of the numbers, which rules may share.
   *
   * @return that of {@link #kernel()}, or of another rule whose header has the same functions
   */
  default String sumsKernel() {
    return kernel();
  }

  /**
   * The sums over each tensor before its elements are updated. None unless a rule says so: then
   * there is a single phase.
   *
   * @return the first of two phases, and the operands of both
   */
  default Optional<TensorSums> sums() {
    return Optional.empty();
  }

  /**
   * The operands that the update of elements reads and writes.
   *
   * @return all, unless a rule with {@link #sums} says otherwise
   */
  default Access access() {
    return sums().map(TensorSums::updating).orElse(Access.ALL);
  }

  /**
   * Whether parameters, gradients and, in their arithmetic type, state must share one type: true
   * for rules with sums over a group, and for {@linkplain #isFactored() factored} ones.
   *
   * @return false if masters, averages, gradients of another type and state in fewer bits are
   *     allowed
   */
  default boolean isOfOneType() {
    return isFactored() || sums().map(TensorSums::areOfGroup).orElse(false);
  }

  /**
   * The weights to evaluate a model with, if the rule trains different ones.
   *
   * @return none if the parameters themselves are evaluated
   */
  default Optional<EvaluationWeights> evaluation() {
    return Optional.empty();
  }

  /**
   * The phase on whole matrices after the first phase and before the update. None unless a rule
   * says so; such a rule has {@link #sums()}, whose first number the matrices are divided by and
   * whose only terms are those of the slot that this phase transforms.
   *
   * @return the phase
   */
  default Optional<NewtonSchulz> matrix() {
    return Optional.empty();
  }

  /**
   * Slow weights that are interpolated with the parameters every few steps.
   *
   * @return none unless a rule says so
   */
  default Optional<SlowWeights> slowWeights() {
    return Optional.empty();
  }

  /**
   * The fewest dimensions that a parameter may have under this rule.
   *
   * @return 0 for any; 2 for a rule of matrices
   */
  default int minDimensions() {
    return 0;
  }

  /**
   * The maximum global gradient norm, as part of the rule: an optimizer without its own bound clips
   * gradients to it.
   *
   * @return 0 for none
   */
  default double clipNorm() {
    return 0;
  }

  /**
   * The number added to the norm when gradients are clipped by {@link #clipNorm}: they are
   * multiplied by {@code min(1, clipNorm / (norm + clipEps))}.
   *
   * @return at least 0
   */
  default double clipEps() {
    return 0;
  }

  /**
   * Updates a block of elements in float32.
   *
   * @param block the arrays, the range and this step's scalars
   */
  void update(FloatBlock block);

  /**
   * Updates a block of elements in float64.
   *
   * @param block the arrays, the range and this step's scalars
   */
  void update(DoubleBlock block);
}
