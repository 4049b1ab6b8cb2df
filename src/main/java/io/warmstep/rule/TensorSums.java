package io.warmstep.rule;

import java.util.List;

/**
 * The sums that a rule computes before its update, over each tensor or over all tensors of a group
 * together. Such a rule has two phases. The first visits all elements: it may update state, and
 * gives one or more terms per element, {@link #sum(FloatBlock)}. The backend adds the terms of each
 * kind by a tree of fixed shape. From the sums, {@link #numbers(FloatSums)} computes a few numbers
 * for each tensor or group. The second phase is {@link UpdateRule#update(FloatBlock)}, which also
 * gets these numbers, {@link FloatBlock#number}, and finds state as the first phase left it.
 *
 * <p>If terms are summed over groups, {@link #begin(FloatSums)} comes first: it computes the
 * numbers for the first phase from state that holds one value for the group.
 */
public interface TensorSums {
  /** How terms are combined. */
  enum Kind {
    /** The root of the sum of their squares. */
    NORM,
    /** The sum of their magnitudes. */
    MAGNITUDES,
    /** Their sum. */
    SUM
  }

  /**
   * The sums, in the order of {@link FloatBlock#terms}.
   *
   * @return the kind of each, the same for every form of a rule
   */
  List<Kind> kinds();

  /**
   * Whether terms are summed over all tensors of a group together. Single-value state then belongs
   * to the group, {@link StateSlot.Extent#GROUP}.
   *
   * @return false where each tensor has its own sums
   */
  default boolean areOfGroup() {
    return false;
  }

  /**
   * How many numbers {@link #begin(FloatSums)} computes.
   *
   * @return 0 unless terms are summed over a group; with the scalars at most 16
   */
  default int firstNumbers() {
    return 0;
  }

  /**
   * Computes, in float32, the numbers that the first phase gets besides the scalars, {@link
   * FloatBlock#number}, from the group's state.
   *
   * @param group its state and scalars; receives the numbers
   */
  default void begin(FloatSums group) {}

  /**
   * Computes the numbers of the first phase in float64.
   *
   * @param group its state and scalars; receives the numbers
   */
  default void begin(DoubleSums group) {}

  /**
   * The operands of the first phase.
   *
   * @return its operands; it writes neither parameters nor gradients
   */
  Access summing();

  /**
   * The operands of the second phase.
   *
   * @return its operands; it writes no gradients
   */
  Access updating();

  /**
   * Names of the numbers that {@link #numbers(FloatSums)} computes, in their order.
   *
   * @return the names, for messages
   */
  List<String> numberNames();

  /**
   * The first phase on a block of elements in float32: updates the state named by {@link
   * #summing()} unless it {@linkplain FloatBlock#hasMoved() has already been updated}, and writes
   * {@link FloatBlock#terms(int)}, computed from the new state, or names an operand as the terms,
   * {@link FloatBlock#terms(int, float[])}.
   *
   * @param block the arrays, the range and this step's scalars
   */
  void sum(FloatBlock block);

  /**
   * The first phase on a block of elements in float64, likewise.
   *
   * @param block the arrays, the range and this step's scalars
   */
  void sum(DoubleBlock block);

  /**
   * Computes a tensor's numbers in float32.
   *
   * @param tensor its sums; receives the numbers
   */
  void numbers(FloatSums tensor);

  /**
   * Computes a tensor's numbers in float64.
   *
   * @param tensor its sums; receives the numbers
   */
  void numbers(DoubleSums tensor);
}
