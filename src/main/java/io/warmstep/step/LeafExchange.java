package io.warmstep.step;

/**
 * Makes the leaves of a norm, or of a group's sums, whole where a step is of one worker's part of a
 * model. The parts of the workers follow each other in the order of the leaves.
 */
public interface LeafExchange {
  /**
   * Gathers the leaves of all workers.
   *
   * @param own this worker's, which are only read
   * @return those of the whole model, in its order, to be overwritten
   */
  Leaves all(Leaves own);

  /**
   * The leaves of a norm's two trees, as sums with exponents; a group's are of one arithmetic.
   *
   * @param floatSums of float32 arithmetic
   * @param floatExponents as long
   * @param doubleSums of float64 arithmetic
   * @param doubleExponents as long
   */
  record Leaves(
      float[] floatSums, int[] floatExponents, double[] doubleSums, int[] doubleExponents) {}
}
