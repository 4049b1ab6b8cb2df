package io.warmstep.rule;

import java.util.List;
import java.util.Optional;

/**
 * An update rule: how parameters and optimizer state follow from a gradient. Rules are immutable
 * and validate when they are made; they hold hyperparameters and no state.
 *
 * <p>A rule has three parts. {@link #stateSlots()} says what is remembered for each element. {@link
 * #scalars} computes, once a step and in double, the numbers that are the same for all elements;
 * they are then rounded once to the arithmetic type. {@code update} is the loop over a block of
 * elements in plain Java; the OpenCL and CUDA backends run the header {@code
 * kernels/rules/<name>.h} instead, which does the same operations in the same order and so gives
 * the same bits.
 *
 * <p>What all rules share is not theirs: the backends scale, sign-flip and clip the gradient and
 * say by {@link FloatBlock#gradientScale()} and {@link FloatBlock#weightDecay()} what is left to
 * do.
 */
public interface UpdateRule {
  /**
   * Name of the rule.
   *
   * @return a lower-case word such as {@code adam}
   */
  String name();

  /**
   * Name of the kernel header that has this form of the rule: {@code kernels/rules/<kernel>.h}.
   * Forms under one name differ in their {@link #options()} alone, forms that differ in their
   * phases have different ones.
   *
   * @return the rule's name, unless a form of it has a header of its own
   */
  default String kernel() {
    return name();
  }

  /**
   * What the rule remembers, in the order in which blocks hold it: first what each element has,
   * then what each parameter has as a whole.
   *
   * @return the slots, empty for a rule without state
   */
  List<StateSlot> stateSlots();

  /**
   * What the rule remembers of a parameter.
   *
   * @param dimensions how many the parameter's shape has
   * @return those of {@link #stateSlots()} that it has, in their order
   */
  default List<StateSlot> stateSlots(int dimensions) {
    return stateSlots().stream().filter(slot -> slot.isOf(dimensions)).toList();
  }

  /**
   * Whether the first slot, a running average of squared gradients, is kept as factors of rows and
   * of columns for parameters of two dimensions or more. The slots of both follow it. Such a rule
   * has {@link #sums()}. Before its first phase a backend moves the factors; both phases then read
   * the first slot as {@code row * column / mean(rows)}, and {@link FloatBlock#hasMoved()} says so.
   * The first scalar is what a step takes of the new squares, the second the least that the mean
   * counts as, 0 for the epsilon of the arithmetic type.
   *
   * @return false where no slot is one of rows or columns
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
   * Weight decay that is added to the gradient (L2 regularization): {@code g + l2 * p}.
   *
   * @param at the step
   * @return its factor, 0 for none or where the rule decays weights in another way
   */
  double l2(StepValues at);

  /**
   * Returns a copy with another weight decay, of the kind that its definition has.
   *
   * @param weightDecay at least 0 and finite
   * @return a copy
   * @throws IllegalArgumentException if the value is not allowed
   */
  UpdateRule weightDecay(double weightDecay);

  /**
   * The choices that change which operations are done, as the kernel header numbers them. Java
   * loops read the hyperparameters themselves.
   *
   * @return a set of bits, 0 for a rule without such choices
   */
  default int options() {
    return 0;
  }

  /**
   * Hyperparameters that a schedule may move from step to step: those that {@link #scalars} and
   * {@link #l2} take from {@link StepValues#get}. Each must be in [0, 1) in every step, {@code
   * weightDecay} finite and at least 0.
   *
   * @return their names, such as {@code beta1}
   */
  default List<String> movable() {
    return List.of();
  }

  /**
   * What the numbers are called that {@link #scalars} writes, in their order.
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
   * Numbers that the rule keeps from step to step for all parameters of a group together, such as a
   * product over the steps so far. They are part of the optimizer's state.
   *
   * @return their names, which are PyTorch's, and what they are before the first step
   */
  default List<StateSlot> keptNumbers() {
    return List.of();
  }

  /**
   * Moves the numbers of {@link #keptNumbers()} on, after a step that happened. Allocates nothing.
   *
   * @param at the step
   * @param kept the numbers in their order, to be changed
   */
  default void advance(StepValues at, double[] kept) {}

  /**
   * Name of the CUDA entries of the first phase and of the numbers, which rules may share.
   *
   * @return that of {@link #kernel()}, or of another rule whose header has the same functions
   */
  default String sumsKernel() {
    return kernel();
  }

  /**
   * What is added up over each tensor before its elements are updated. None unless a rule says so:
   * then one phase does all.
   *
   * @return the first of two phases, and what both use
   */
  default Optional<TensorSums> sums() {
    return Optional.empty();
  }

  /**
   * What the update of elements reads and writes.
   *
   * @return everything, unless a rule with {@link #sums} says otherwise
   */
  default Access access() {
    return sums().map(TensorSums::updating).orElse(Access.ALL);
  }

  /**
   * Whether parameters, gradients and, in their arithmetic, state must be of one type: under rules
   * that add something up over a group, and under those that are {@linkplain #isFactored()
   * factored}.
   *
   * @return false where there may be masters, averages, gradients of another type and state in
   *     fewer bits
   */
  default boolean isOfOneType() {
    return isFactored() || sums().map(TensorSums::areOfGroup).orElse(false);
  }

  /**
   * The weights that a model is to be evaluated with, where the rule trains others.
   *
   * @return none where the parameters are what is evaluated
   */
  default Optional<EvaluationWeights> evaluation() {
    return Optional.empty();
  }

  /**
   * What is done with whole matrices after the first phase and before the update. None unless a
   * rule says so; one that does has {@link #sums()}, whose first number the matrices are divided by
   * and whose only terms are the slot that goes through it.
   *
   * @return the phase
   */
  default Optional<NewtonSchulz> matrix() {
    return Optional.empty();
  }

  /**
   * Weights that the parameters are brought together with every few steps.
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
   * The largest global norm that gradients may have, as part of the rule: an optimizer that is not
   * given another bound clips them by it.
   *
   * @return 0 for none
   */
  default double clipNorm() {
    return 0;
  }

  /**
   * What is added to the norm where gradients are clipped by {@link #clipNorm}: they are multiplied
   * by {@code min(1, clipNorm / (norm + clipEps))}.
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
