package io.warmstep.step;

import java.util.List;

/**
 * Makes the leaves of a norm, or of a group's sums, whole where a step is of one worker's part of a
 * model. The parts of the workers follow each other in the order of the leaves.
 */
public interface LeafExchange {
  /**
   * Prepares to exchange the same leaves at every step.
   *
   * @param own this worker's, which a step writes before it exchanges them
   * @return their exchange
   */
  Prepared prepare(Leaves own);

  /**
   * Prepares to exchange the leaves of the norm at every step.
   *
   * @param own as for {@link #prepare}
   * @param floats what those of float32 arithmetic belong to, in their order
   * @param doubles the same of float64 arithmetic
   * @return their exchange
   */
  default Prepared prepareNorm(Leaves own, List<Run> floats, List<Run> doubles) {
    return prepare(own);
  }

  /**
   * Consecutive leaves of one parameter.
   *
   * @param parameter its index among all
   * @param leaves how many
   */
  record Run(int parameter, int leaves) {}

  /** The exchange of one norm's or group's leaves, which makes room at its first call. */
  interface Prepared {
    /**
     * Gathers the leaves of all workers; waits for them.
     *
     * @return those of the whole model, in its order, until the next call; may be overwritten
     */
    Leaves all();
  }

  /**
   * The leaves of a norm's two trees, as sums with exponents; a group's are of one arithmetic.
   *
   * @param floatSums of float32 arithmetic
   * @param floatExponents as long
   * @param doubleSums of float64 arithmetic
   * @param doubleExponents as long
   */
  record Leaves(
      float[] floatSums, int[] floatExponents, double[] doubleSums, int[] doubleExponents) {
    /**
     * Makes room.
     *
     * @param floats how many of float32 arithmetic
     * @param doubles how many of float64 arithmetic
     */
    public Leaves(int floats, int doubles) {
      this(new float[floats], new int[floats], new double[doubles], new int[doubles]);
    }
  }
}
