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

  static void update(FloatBlock block, boolean takesMaximum, boolean looksAhead) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float[] u = takesMaximum ? block.state(2) : v;
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
      float pi = p[i];
      float gi = scale * g[i];
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      if (takesMaximum) {
        vi = Math.max(u[i], vi);
        u[i] = vi;
      }
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      float direction = looksAhead ? Math.fma(beta1, mi, fresh1 * gi) : mi;
      float moved = (Signs.agrees(direction, gi) * maskScale) * direction;
      p[i] = Math.fma(-stepSize, moved / denominator, keep * pi);
    }
  }

  static void update(DoubleBlock block, boolean takesMaximum, boolean looksAhead) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double[] u = takesMaximum ? block.state(2) : v;
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
      double pi = p[i];
      double gi = scale * g[i];
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      if (takesMaximum) {
        vi = Math.max(u[i], vi);
        u[i] = vi;
      }
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      double direction = looksAhead ? Math.fma(beta1, mi, fresh1 * gi) : mi;
      double moved = (Signs.agrees(direction, gi) * maskScale) * direction;
      p[i] = Math.fma(-stepSize, moved / denominator, keep * pi);
    }
  }
}
