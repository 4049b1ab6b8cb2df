package io.warmstep.rule;

import java.util.List;

/**
 * What a rule adds up before it updates elements, over each tensor or over all tensors of a group
 * together. Such a rule has two phases. The first goes over all elements: it may move state, and
 * gives one term or more for each element, {@link #sum(FloatBlock)}. The backend adds each kind of
 * terms up by a tree of fixed shape. From the sums, {@link #numbers(FloatSums)} forms a few numbers
 * for each tensor or group. The second phase is {@link UpdateRule#update(FloatBlock)}, which also
 * has these numbers, {@link FloatBlock#number}, and finds state as the first phase left it.
 *
 * <p>Where terms are added up over groups, {@link #begin(FloatSums)} comes first: it forms the
 * numbers that the first phase has, from state that holds one value for the group.
 */
public interface TensorSums {
  /** How terms are added up. */
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
   * Whether terms are added up over all tensors of a group together. State of one value is then the
   * group's, {@link StateSlot.Extent#GROUP}.
   *
   * @return false where each tensor has its own sums
   */
  default boolean areOfGroup() {
    return false;
  }

  /**
   * How many numbers {@link #begin(FloatSums)} forms.
   *
   * @return 0 unless terms are added up over a group; with the scalars at most 16
   */
  default int firstNumbers() {
    return 0;
  }

  /**
   * Forms the numbers in float32 that the first phase has beside the scalars, {@link
   * FloatBlock#number}, from the group's state.
   *
   * @param group its state and scalars, and what receives the numbers
   */
  default void begin(FloatSums group) {}

  /**
   * Forms the numbers of the first phase in float64.
   *
   * @param group its state and scalars, and what receives the numbers
   */
  default void begin(DoubleSums group) {}

  /**
   * What the first phase uses.
   *
   * @return its operands; it writes neither parameters nor gradients
   */
  Access summing();

  /**
   * What the second phase uses.
   *
   * @return its operands; it writes no gradients
   */
  Access updating();

  /**
   * What the numbers are called that {@link #numbers(FloatSums)} forms, in their order.
   *
   * @return the names, for messages
   */
  List<String> numberNames();

  /**
   * The first phase on a block of elements in float32: moves the state that {@link #summing()} says
   * unless that {@linkplain FloatBlock#hasMoved() has moved}, and writes {@link FloatBlock#terms},
   * as functions of what the state is then.
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
   * Forms a tensor's numbers in float32.
   *
   * @param tensor its sums, and what receives the numbers
   */
  void numbers(FloatSums tensor);

  /**
   * Forms a tensor's numbers in float64.
   *
   * @param tensor its sums, and what receives the numbers
   */
  void numbers(DoubleSums tensor);
}
