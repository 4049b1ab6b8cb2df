package io.warmstep.rule;

import java.util.List;

/**
 * What a rule adds up over each tensor before it updates the tensor's elements. Such a rule has two
 * phases. The first goes over all elements: it may move state, and gives one term or more for each
 * element, {@link #sum(FloatBlock)}. The backend adds each kind of terms over each tensor by a tree
 * of fixed shape. From the sums, {@link #numbers(FloatSums)} forms a few numbers for each tensor.
 * The second phase is {@link UpdateRule#update(FloatBlock)}, which also has these numbers, {@link
 * FloatBlock#number}, and finds state as the first phase left it.
 */
public interface TensorSums {
  /** How terms are added up. */
  enum Kind {
    /** The root of the sum of their squares. */
    NORM,
    /** The sum of their magnitudes. */
    MAGNITUDES
  }

  /**
   * The sums, in the order of {@link FloatBlock#terms}.
   *
   * @return the kind of each, the same for every form of a rule
   */
  List<Kind> kinds();

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
   * The first phase on a block of elements in float32: writes {@link FloatBlock#terms}.
   *
   * @param block the arrays, the range and this step's scalars
   */
  void sum(FloatBlock block);

  /**
   * The first phase on a block of elements in float64.
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
