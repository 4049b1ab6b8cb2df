package io.warmstep.rule;

/**
 * The sums over one tensor or group in float32, from which a rule computes its numbers. A backend
 * keeps one and fills it for each in turn.
 */
public final class FloatSums {
  private final float[] sums;
  private final float[] kept;
  private final float[] numbers;
  private float[] scalars = {};
  private float count;
  private float rows;
  private float columns;

  /**
   * Allocates room.
   *
   * @param sums number of sums
   * @param kept number of state slots that hold one value per tensor
   * @param numbers the most numbers that are computed
   */
  public FloatSums(int sums, int kept, int numbers) {
    this.sums = new float[sums];
    this.kept = new float[kept];
    this.numbers = new float[numbers];
  }

  /**
   * Moves on to a tensor.
   *
   * @param count number of its elements
   * @param rows length of its first dimension
   * @param scalars the rule's scalars, rounded to float32
   */
  public void tensor(long count, long rows, float[] scalars) {
    this.count = count;
    this.rows = rows;
    long across = count / rows;
    this.columns = across;
    this.scalars = scalars;
  }

  /**
   * Moves on to a group, which has neither rows nor columns.
   *
   * @param count number of elements of all its tensors
   * @param scalars the rule's scalars, rounded to float32
   */
  public void group(long count, float[] scalars) {
    this.count = count;
    this.rows = 0;
    this.columns = 0;
    this.scalars = scalars;
  }

  /**
   * Sets a sum.
   *
   * @param index from 0
   * @param value the root, or the sum itself
   */
  public void sum(int index, float value) {
    sums[index] = value;
  }

  /**
   * One of the sums, as its kind says.
   *
   * @param index its place in {@link TensorSums#kinds()}
   * @return at least 0 unless it is a {@link TensorSums.Kind#SUM}, or NaN
   */
  public float sum(int index) {
    return sums[index];
  }

  /**
   * How many elements the tensor has.
   *
   * @return the count, rounded to float32
   */
  public float count() {
    return count;
  }

  /**
   * Length of the tensor's first dimension.
   *
   * @return the number of rows, rounded to float32
   */
  public float rows() {
    return rows;
  }

  /**
   * How many elements a row has: those of the other dimensions.
   *
   * @return the number of columns, rounded to float32
   */
  public float columns() {
    return columns;
  }

  /**
   * One of the numbers that {@link UpdateRule#scalars} computed.
   *
   * @param index from 0
   * @return the number, rounded to float32
   */
  public float scalar(int index) {
    return scalars[index];
  }

  /**
   * State that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @return the value
   */
  public float kept(int slot) {
    return kept[slot];
  }

  /**
   * Sets state that holds one value for the tensor.
   *
   * @param slot its index among such slots
   * @param value the value
   */
  public void keep(int slot, float value) {
    kept[slot] = value;
  }

  /**
   * Sets one of the tensor's numbers.
   *
   * @param index its place in {@link TensorSums#numberNames()}
   * @param value the number
   */
  public void number(int index, float value) {
    numbers[index] = value;
  }

  /**
   * The tensor's numbers.
   *
   * @param to receives them
   */
  public void copyNumbers(float[] to) {
    System.arraycopy(numbers, 0, to, 0, to.length);
  }
}
