package io.warmstep.rule;

/**
 * The sums over one tensor or group in float32, from which a rule computes its numbers. A backend
 * makes one and fills it for each in turn; a rule only uses it, in the call that it is passed to.
 * Methods may be added.
 */
public interface FloatSums {
  /**
   * One of the sums, as its kind says.
   *
   * @param index its place in {@link TensorSums#kinds()}
   * @return at least 0 unless it is a {@link TensorSums.Kind#SUM}, or NaN
   */
  float sum(int index);

  /**
   * How many elements the tensor has.
   *
   * @return the count, rounded to float32
   */
  float count();

  /**
   * Length of the tensor's first dimension.
   *
   * @return the number of rows, rounded to float32
   */
  float rows();

  /**
   * How many elements a row has: those of the other dimensions.
   *
   * @return the number of columns, rounded to float32
   */
  float columns();

  /**
   * One of the numbers that {@link UpdateRule#scalars} computed.
   *
   * @param index from 0
   * @return the number, rounded to float32
   */
  float scalar(int index);

  /**
   * State that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @return the value
   */
  float kept(int slot);

  /**
   * Sets state that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @param value the value
   */
  void keep(int slot, float value);

  /**
   * Sets one of the tensor's numbers.
   *
   * @param index its place in {@link TensorSums#numberNames()}
   * @param value the number
   */
  void number(int index, float value);
}
