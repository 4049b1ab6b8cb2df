package io.warmstep.rule;

import java.util.List;

/**
 * The cautious form that AdamW and NAdamW share (Liang et al. 2024). The direction is the first
 * moment or, with NAdamW's look ahead, its average with the gradient once more; where direction and
 * gradient differ in sign, the parameter only decays.
 */
final class CautiousAdam {
  static final String KERNEL = "adam_cautious";
  static final CautiousSums SUMS = new CautiousSums();
  static final List<String> SCALARS =
      List.of(
          "stepSize",
          "parameterScale",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "leastMean",
          "looksAhead",
          "rootScale",
          "eps");

  private CautiousAdam() {}

  /** Writes the scalars of the mask and returns the index of the next one. */
  static int mask(boolean looksAhead, double[] out) {
    out[CautiousSums.LEAST_SCALAR] = CautiousSums.LEAST;
    out[CautiousSums.LOOKS_AHEAD_SCALAR] = looksAhead ? 1 : 0;
    return CautiousSums.LOOKS_AHEAD_SCALAR + 1;
  }

  /** Without AMSGrad. */
  static void update(FloatBlock block, boolean looksAhead) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float scale = block.gradientScale();
    float stepSize = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    float rootScale = block.scalar(8);
    float eps = block.scalar(9);
    float maskScale = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      float direction = looksAhead ? Math.fma(beta1, mi, fresh1 * gi) : mi;
      float moved = (Signs.agrees(direction, gi) * maskScale) * direction;
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, moved / denominator, keep * p[i]);
    }
  }

  /** With AMSGrad and no look ahead. One loop that does both would not be vectorized. */
  static void updateByMaximum(FloatBlock block) {
    moveState(block);
    moveParameters(block);
  }

  private static void moveState(FloatBlock block) {
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float[] u = block.state(2);
    float scale = block.gradientScale();
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = Math.fma(beta1, m[i], fresh1 * gi);
      v[i] = vi;
      u[i] = Math.max(u[i], vi);
    }
  }

  private static void moveParameters(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] u = block.state(2);
    float scale = block.gradientScale();
    float stepSize = block.scalar(0);
    float keep = block.scalar(1);
    float rootScale = block.scalar(8);
    float eps = block.scalar(9);
    float maskScale = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float moved = (Signs.agrees(m[i], scale * g[i]) * maskScale) * m[i];
      float denominator = Math.fma((float) Math.sqrt(u[i]), rootScale, eps);
      p[i] = Math.fma(-stepSize, moved / denominator, keep * p[i]);
    }
  }

  /** Without AMSGrad. */
  static void update(DoubleBlock block, boolean looksAhead) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double scale = block.gradientScale();
    double stepSize = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    double rootScale = block.scalar(8);
    double eps = block.scalar(9);
    double maskScale = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      double direction = looksAhead ? Math.fma(beta1, mi, fresh1 * gi) : mi;
      double moved = (Signs.agrees(direction, gi) * maskScale) * direction;
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, moved / denominator, keep * p[i]);
    }
  }

  /** With AMSGrad and no look ahead. One loop that does both would not be vectorized. */
  static void updateByMaximum(DoubleBlock block) {
    moveState(block);
    moveParameters(block);
  }

  private static void moveState(DoubleBlock block) {
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double[] u = block.state(2);
    double scale = block.gradientScale();
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = Math.fma(beta1, m[i], fresh1 * gi);
      v[i] = vi;
      u[i] = Math.max(u[i], vi);
    }
  }

  private static void moveParameters(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] u = block.state(2);
    double scale = block.gradientScale();
    double stepSize = block.scalar(0);
    double keep = block.scalar(1);
    double rootScale = block.scalar(8);
    double eps = block.scalar(9);
    double maskScale = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double moved = (Signs.agrees(m[i], scale * g[i]) * maskScale) * m[i];
      double denominator = Math.fma(Math.sqrt(u[i]), rootScale, eps);
      p[i] = Math.fma(-stepSize, moved / denominator, keep * p[i]);
    }
  }
}
