package io.warmstep.cli.bench;

import io.warmstep.Tensor;
import java.util.SplittableRandom;

/**
 * Fills tensors that are measured. Bytes that are all alike would not do: on a GPU they draw less
 * power and so can be moved faster.
 */
final class Filling {
  /** Elements that are chosen; longer tensors repeat them. */
  private static final int PATTERN = 1 << 20;

  private Filling() {}

  /**
   * Overwrites a tensor with numbers between -1 and 1.
   *
   * @param tensor left as it is if it is longer than a Java array can be
   * @param random where from
   */
  static void fill(Tensor tensor, SplittableRandom random) {
    if (tensor.length() > Integer.MAX_VALUE - 8) {
      return;
    }
    float[] values = new float[(int) tensor.length()];
    fill(values, random);
    tensor.copyFrom(values);
  }

  /**
   * Overwrites an array with numbers between -1 and 1.
   *
   * @param values the array
   * @param random where from
   */
  static void fill(float[] values, SplittableRandom random) {
    for (int i = 0; i < values.length; i++) {
      values[i] = i < PATTERN ? (float) random.nextDouble(-1, 1) : values[i - PATTERN];
    }
  }
}
