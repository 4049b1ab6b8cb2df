package io.warmstep.rule;

/**
 * The gradients that enter the formula, {@link FloatBlock#gradientScale()} times the raw ones, as
 * the terms of a sum.
 */
final class ScaledGradients {
  private ScaledGradients() {}

  /**
   * Makes them the terms.
   *
   * @param sum its place in {@link TensorSums#kinds()}
   */
  static void sum(FloatBlock block, int sum) {
    float scale = block.gradientScale();
    float[] g = block.gradients();
    if (scale == 1) {
      block.terms(sum, g);
      return;
    }
    float[] to = block.terms(sum);
    int end = block.end();
    for (int i = block.start(); i < end; i++) {
      to[i] = scale * g[i];
    }
  }

  /** The same in float64. */
  static void sum(DoubleBlock block, int sum) {
    double scale = block.gradientScale();
    double[] g = block.gradients();
    if (scale == 1) {
      block.terms(sum, g);
      return;
    }
    double[] to = block.terms(sum);
    int end = block.end();
    for (int i = block.start(); i < end; i++) {
      to[i] = scale * g[i];
    }
  }
}
