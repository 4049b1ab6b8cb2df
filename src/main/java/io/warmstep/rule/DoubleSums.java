package io.warmstep.rule;

/**
 * The sums over one tensor or group in float64, from which a rule computes its numbers. A backend
 * makes one and fills it for each in turn; a rule only uses it, in the call that it is passed to.
 * Methods may be added.
 */
public interface DoubleSums {
  /**
   * One of the sums, as its kind says.
   *
   * @param index its place in {@link TensorSums#kinds()}
   * @return at least 0 unless it is a {@link TensorSums.Kind#SUM}, or NaN
   */
  double sum(int index);

  /**
   * How many elements the tensor has.
   *
   * @return the count, rounded to float64
   */
  double count();

  /**
   * Length of the tensor's first dimension.
   *
   * @return the number of rows, rounded to float64
   */
  double rows();

  /**
   * How many elements a row has: those of the other dimensions.
   *
   * @return the number of columns, rounded to float64
   */
  double columns();

  /**
   * One of the numbers that {@link UpdateRule#scalars} computed.
   *
   * @param index from 0
   * @return the number, rounded to float64
   */
  double scalar(int index);

  /**
   * State that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @return the value
   */
  double kept(int slot);

  /**
   * Sets state that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @param value the value
   */
  void keep(int slot, double value);

  /**
   * Sets one of the tensor's numbers.
   *
   * @param index its place in {@link TensorSums#numberNames()}
   * @param value the number
   */
  void number(int index, double value);
}
