package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * AdamW without a schedule (Defazio et al. 2024, arXiv 2405.15682) as {@code
 * schedulefree.AdamWScheduleFree} computes it. There is no first moment: gradients are taken at y,
 * between the point z that they move and the average x of all z, and a model is evaluated at x. At
 * step t, with lr, c and x as for {@link ScheduleFreeSgd} and beta1 as its momentum:
 *
 * <pre>
 * v = beta2 * v + (1 - beta2) * g * g
 * d = g / (sqrt(v / (1 - beta2^t)) + eps) + weightDecay * y
 * y = y + c * (z - y) - lr * (1 - beta1 * (1 - c)) * d
 * z = z - lr * d                                      (z = y before the first step)
 * </pre>
 *
 * With an inner momentum i, {@code m = i * m + (1 - i) * g}, and {@code m / (1 - i^t)} replaces g
 * in d. The parameters are y while training and x after {@code Optimizer.eval()}. State: {@code z},
 * {@code exp_avg_sq}, {@code exp_avg} with an inner momentum; kept once: {@code weight_sum}, {@code
 * lr_max}.
 */
public final class ScheduleFreeAdamW
    extends ConfiguredRule<ScheduleFreeAdamW.Settings, ScheduleFreeAdamW> {
  private static final String NAME = "schedulefreeadamw";
  private static final List<String> SCALARS =
      List.of(
          "average",
          "stepSize",
          "lr",
          "beta2",
          "oneMinusBeta2",
          "rootScale",
          "eps",
          "weightDecay",
          "innerMomentum",
          "oneMinusInnerMomentum",
          "momentScale");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.copyOfParameter("z"), StateSlot.square("exp_avg_sq"));
  private static final List<StateSlot> INNER_SLOTS =
      List.of(SLOTS.get(0), SLOTS.get(1), StateSlot.moment("exp_avg"));

  private final ScheduleFree weights;

  /**
   * The hyperparameters.
   *
   * @param beta1 how near y is to x, above 0 and below 1
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay decoupled weight decay, at least 0
   * @param warmupSteps steps of a linear warm-up, at least 0
   * @param r power of the step in the weight of its z, at least 0
   * @param weightLrPower power of the largest learning rate in it, at least 0
   * @param innerMomentum decay of the first moment, in [0, 1); 0 for none
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      long warmupSteps,
      double r,
      double weightLrPower,
      double innerMomentum,
      boolean maximize) {
    Settings {
      ScheduleFree.require(NAME, "beta1", beta1, warmupSteps, r, weightLrPower);
      Hyperparameters.requireDecayRate(NAME, "beta2", beta2);
      Hyperparameters.requireEps(NAME, eps);
      Hyperparameters.requireWeightDecay(NAME, weightDecay);
      Hyperparameters.requireDecayRate(NAME, "innerMomentum", innerMomentum);
    }
  }

  private ScheduleFreeAdamW(Settings settings) {
    super(settings);
    weights = new ScheduleFree(settings.warmupSteps, settings.r, settings.weightLrPower);
  }

  @Override
  ScheduleFreeAdamW copy(Settings settings) {
    return new ScheduleFreeAdamW(settings);
  }

  /**
   * The authors' defaults: betas 0.9 and 0.999, eps 1e-8, no weight decay, no warm-up, r 0,
   * weightLrPower 2, no inner momentum.
   *
   * @return the rule
   */
  public static ScheduleFreeAdamW scheduleFreeAdamW() {
    return new ScheduleFreeAdamW(new Settings(0.9, 0.999, 1e-8, 0, 0, 0, 2, 0, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 above 0 and below 1
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public ScheduleFreeAdamW betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root after bias correction, at least 0
   * @return a copy
   */
  public ScheduleFreeAdamW eps(double eps) {
    return with("eps", eps);
  }

  /**
   * Returns a copy with a first moment of the gradients.
   *
   * @param innerMomentum its decay, in [0, 1); 0 for none
   * @return a copy
   */
  public ScheduleFreeAdamW innerMomentum(double innerMomentum) {
    return with("innerMomentum", innerMomentum);
  }

  @Override
  public ScheduleFreeAdamW weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with a linear warm-up of the learning rate.
   *
   * @param warmupSteps how many steps, at least 0
   * @return a copy
   */
  public ScheduleFreeAdamW warmupSteps(long warmupSteps) {
    return with("warmupSteps", warmupSteps);
  }

  /**
   * Returns a copy with other averaging weights: {@code t^r * max(lr)^weightLrPower} at step t.
   *
   * @param r at least 0
   * @param weightLrPower at least 0
   * @return a copy
   */
  public ScheduleFreeAdamW averaging(double r, double weightLrPower) {
    return with(Map.of("r", r, "weightLrPower", weightLrPower));
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public ScheduleFreeAdamW maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public List<StateSlot> keptNumbers() {
    return ScheduleFree.KEPT;
  }

  @Override
  public void advance(StepValues at, double[] kept) {
    weights.advance(at, kept);
  }

  @Override
  public List<StateSlot> stateSlots() {
    return settings.innerMomentum > 0 ? INNER_SLOTS : SLOTS;
  }

  @Override
  public int options() {
    return settings.innerMomentum > 0 ? 1 : 0;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
  }

  @Override
  public List<String> movable() {
    return List.of("beta2", "weightDecay");
  }

  @Override
  public Optional<EvaluationWeights> evaluation() {
    return Optional.of(ScheduleFree.evaluation(settings.beta1));
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta2 = at.get("beta2", settings.beta2);
    out[0] = weights.average(at);
    out[1] = weights.stepSize(at, settings.beta1);
    out[2] = weights.rate(at);
    out[3] = beta2;
    out[4] = 1.0 - beta2;
    out[5] = 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step()));
    out[6] = settings.eps;
    out[7] = at.get("weightDecay", settings.weightDecay);
    out[8] = settings.innerMomentum;
    out[9] = 1.0 - settings.innerMomentum;
    out[10] = 1.0 / (1.0 - Powers.power(settings.innerMomentum, at.step()));
  }

  @Override
  public void update(FloatBlock block) {
    if (settings.innerMomentum > 0) {
      updateWithMoment(block);
      return;
    }
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] z = block.state(0);
    float[] v = block.state(1);
    float scale = block.gradientScale();
    float average = block.scalar(0);
    float stepSize = block.scalar(1);
    float lr = block.scalar(2);
    float beta2 = block.scalar(3);
    float fresh2 = block.scalar(4);
    float rootScale = block.scalar(5);
    float eps = block.scalar(6);
    float decay = block.scalar(7);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float zi = z[i];
      float gi = scale * g[i];
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      v[i] = vi;
      float di = Math.fma(decay, pi, gi / Math.fma((float) Math.sqrt(vi), rootScale, eps));
      z[i] = Math.fma(-lr, di, zi);
      p[i] = Math.fma(-stepSize, di, Math.fma(average, zi - pi, pi));
    }
  }

  private static void updateWithMoment(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] z = block.state(0);
    float[] v = block.state(1);
    float[] m = block.state(2);
    float scale = block.gradientScale();
    float average = block.scalar(0);
    float stepSize = block.scalar(1);
    float lr = block.scalar(2);
    float beta2 = block.scalar(3);
    float fresh2 = block.scalar(4);
    float rootScale = block.scalar(5);
    float eps = block.scalar(6);
    float decay = block.scalar(7);
    float inner = block.scalar(8);
    float fresh = block.scalar(9);
    float momentScale = block.scalar(10);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float zi = z[i];
      float gi = scale * g[i];
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      float mi = Math.fma(inner, m[i], fresh * gi);
      v[i] = vi;
      m[i] = mi;
      float root = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      float di = Math.fma(decay, pi, (momentScale * mi) / root);
      z[i] = Math.fma(-lr, di, zi);
      p[i] = Math.fma(-stepSize, di, Math.fma(average, zi - pi, pi));
    }
  }

  @Override
  public void update(DoubleBlock block) {
    if (settings.innerMomentum > 0) {
      updateWithMoment(block);
      return;
    }
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] z = block.state(0);
    double[] v = block.state(1);
    double scale = block.gradientScale();
    double average = block.scalar(0);
    double stepSize = block.scalar(1);
    double lr = block.scalar(2);
    double beta2 = block.scalar(3);
    double fresh2 = block.scalar(4);
    double rootScale = block.scalar(5);
    double eps = block.scalar(6);
    double decay = block.scalar(7);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double zi = z[i];
      double gi = scale * g[i];
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      v[i] = vi;
      double di = Math.fma(decay, pi, gi / Math.fma(Math.sqrt(vi), rootScale, eps));
      z[i] = Math.fma(-lr, di, zi);
      p[i] = Math.fma(-stepSize, di, Math.fma(average, zi - pi, pi));
    }
  }

  private static void updateWithMoment(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] z = block.state(0);
    double[] v = block.state(1);
    double[] m = block.state(2);
    double scale = block.gradientScale();
    double average = block.scalar(0);
    double stepSize = block.scalar(1);
    double lr = block.scalar(2);
    double beta2 = block.scalar(3);
    double fresh2 = block.scalar(4);
    double rootScale = block.scalar(5);
    double eps = block.scalar(6);
    double decay = block.scalar(7);
    double inner = block.scalar(8);
    double fresh = block.scalar(9);
    double momentScale = block.scalar(10);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double zi = z[i];
      double gi = scale * g[i];
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      double mi = Math.fma(inner, m[i], fresh * gi);
      v[i] = vi;
      m[i] = mi;
      double root = Math.fma(Math.sqrt(vi), rootScale, eps);
      double di = Math.fma(decay, pi, (momentScale * mi) / root);
      z[i] = Math.fma(-lr, di, zi);
      p[i] = Math.fma(-stepSize, di, Math.fma(average, zi - pi, pi));
    }
  }
}
