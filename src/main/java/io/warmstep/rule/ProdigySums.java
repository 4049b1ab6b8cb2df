package io.warmstep.rule;

import java.util.List;

/**
 * The sums of {@link Prodigy}: how far the parameters have moved along the gradients, and how far
 * they could have. Both determine its step size d.
 */
final class ProdigySums implements TensorSums {
  private static final List<Kind> KINDS = List.of(Kind.SUM, Kind.MAGNITUDES);
  private static final int MOVING = Access.state(0) | Access.state(1) | Access.state(2);
  private static final Access SUMMING =
      new Access(Access.PARAMETER | Access.GRADIENT | MOVING | Access.state(3), MOVING);
  private static final Access UPDATING =
      new Access(Access.PARAMETER | Access.state(0) | Access.state(1), Access.PARAMETER);

  @Override
  public List<Kind> kinds() {
    return KINDS;
  }

  @Override
  public boolean areOfGroup() {
    return true;
  }

  @Override
  public int firstNumbers() {
    return 3;
  }

  @Override
  public Access summing() {
    return SUMMING;
  }

  @Override
  public Access updating() {
    return UPDATING;
  }

  @Override
  public List<String> numberNames() {
    return List.of("stepSize", "eps", "keep");
  }

  private static float corrected(FloatSums group, int moment) {
    return Math.fma(
        group.scalar(1 + 2 * moment), group.kept(3 + moment), group.scalar(2 + 2 * moment));
  }

  private static float stepSize(FloatSums group) {
    float size = group.kept(0) * group.scalar(0);
    return group.scalar(11) == 0
        ? size
        : size * ((float) Math.sqrt(corrected(group, 1)) / corrected(group, 0));
  }

  @Override
  public void begin(FloatSums group) {
    float d = group.kept(0);
    group.number(0, d * group.scalar(2));
    group.number(1, (d * d) * group.scalar(4));
    group.number(2, (d / group.scalar(6)) * (group.scalar(12) != 0 ? d : stepSize(group)));
  }

  @Override
  public void sum(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float[] s = block.state(2);
    float[] start = block.state(3);
    float[] along = block.terms(0);
    block.terms(1, s);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float beta1 = block.scalar(1);
    float beta2 = block.scalar(3);
    float beta3 = block.scalar(5);
    float fresh1 = block.number(0);
    float fresh2 = block.number(1);
    float fresh3 = block.number(2);
    // A single loop over all eight arrays does not vectorize.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, p[i]);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
    }
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float si = Math.fma(beta3, s[i], fresh3 * gi);
      float ai = gi * (start[i] - pi);
      s[i] = si;
      along[i] = ai;
    }
  }

  @Override
  public void numbers(FloatSums group) {
    float d = group.kept(0);
    if (group.sum(1) == 0) { // nothing has moved yet
      group.number(0, 0);
      group.number(1, 1);
      group.number(2, 1);
      return;
    }
    float stepSize = stepSize(group);
    float numerator =
        Math.fma(group.scalar(5), group.kept(2), ((d / group.scalar(6)) * stepSize) * group.sum(0));
    float estimate = (group.scalar(7) * numerator) / group.sum(1);
    float largest = Math.max(group.kept(1), estimate);
    float next = d == group.scalar(6) ? Math.max(d, estimate) : d;
    float growth = group.scalar(8);
    next = growth >= 0 ? Math.min(largest, Math.fma(next, growth, next)) : largest;
    if (group.scalar(11) != 0) {
      float correction1 = corrected(group, 0);
      float correction2 = corrected(group, 1);
      group.keep(3, correction1);
      group.keep(4, correction2);
    }
    group.keep(0, next);
    group.keep(1, largest);
    group.keep(2, numerator);
    group.number(0, stepSize);
    group.number(1, next * group.scalar(9));
    group.number(2, Math.fma(-stepSize, group.scalar(10), 1f));
  }

  private static double corrected(DoubleSums group, int moment) {
    return Math.fma(
        group.scalar(1 + 2 * moment), group.kept(3 + moment), group.scalar(2 + 2 * moment));
  }

  private static double stepSize(DoubleSums group) {
    double size = group.kept(0) * group.scalar(0);
    return group.scalar(11) == 0
        ? size
        : size * (Math.sqrt(corrected(group, 1)) / corrected(group, 0));
  }

  @Override
  public void begin(DoubleSums group) {
    double d = group.kept(0);
    group.number(0, d * group.scalar(2));
    group.number(1, (d * d) * group.scalar(4));
    group.number(2, (d / group.scalar(6)) * (group.scalar(12) != 0 ? d : stepSize(group)));
  }

  @Override
  public void sum(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double[] s = block.state(2);
    double[] start = block.state(3);
    double[] along = block.terms(0);
    block.terms(1, s);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double beta1 = block.scalar(1);
    double beta2 = block.scalar(3);
    double beta3 = block.scalar(5);
    double fresh1 = block.number(0);
    double fresh2 = block.number(1);
    double fresh3 = block.number(2);
    // A single loop over all eight arrays does not vectorize.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, p[i]);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
    }
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double si = Math.fma(beta3, s[i], fresh3 * gi);
      double ai = gi * (start[i] - pi);
      s[i] = si;
      along[i] = ai;
    }
  }

  @Override
  public void numbers(DoubleSums group) {
    double d = group.kept(0);
    if (group.sum(1) == 0) { // nothing has moved yet
      group.number(0, 0);
      group.number(1, 1);
      group.number(2, 1);
      return;
    }
    double stepSize = stepSize(group);
    double numerator =
        Math.fma(group.scalar(5), group.kept(2), ((d / group.scalar(6)) * stepSize) * group.sum(0));
    double estimate = (group.scalar(7) * numerator) / group.sum(1);
    double largest = Math.max(group.kept(1), estimate);
    double next = d == group.scalar(6) ? Math.max(d, estimate) : d;
    double growth = group.scalar(8);
    next = growth >= 0 ? Math.min(largest, Math.fma(next, growth, next)) : largest;
    if (group.scalar(11) != 0) {
      double correction1 = corrected(group, 0);
      double correction2 = corrected(group, 1);
      group.keep(3, correction1);
      group.keep(4, correction2);
    }
    group.keep(0, next);
    group.keep(1, largest);
    group.keep(2, numerator);
    group.number(0, stepSize);
    group.number(1, next * group.scalar(9));
    group.number(2, Math.fma(-stepSize, group.scalar(10), 1.0));
  }
}
