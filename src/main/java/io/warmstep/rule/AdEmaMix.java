package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * AdEMAMix (Pagliardini, Ablin and Grangier 2024): AdamW with a second, much slower average of
 * gradients, as {@code timm.optim} and the authors' code compute it. At step t:
 *
 * <pre>
 * m1 = beta1 * m1 + (1 - beta1) * g
 * m2 = b3 * m2 + (1 - b3) * g                         (b3: beta3, or on the way to it)
 * v  = beta2 * v + (1 - beta2) * g * g
 * u  = (m1 / (1 - beta1^t) + a * m2) / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 * p  = p - lr * (u + weightDecay * p)                 (a: alpha, or on the way to it)
 * </pre>
 *
 * Up to step {@code alphaWarmup}, {@code a = alpha * t / alphaWarmup}; up to step T = {@code
 * beta3Warmup},
 *
 * <pre>
 * b3 = 0.5^(1 / (1 + (1 - t / T) * f(beta1) + t / T * f(beta3))),  f(b) = ln 0.5 / ln(b + 1e-8) - 1
 * </pre>
 *
 * State: {@code exp_avg_fast} unless beta1 is 0, {@code exp_avg_slow}, {@code exp_avg_sq}.
 */
public final class AdEmaMix extends ConfiguredRule<AdEmaMix.Settings, AdEmaMix> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "weightDecay",
          "beta1",
          "oneMinusBeta1",
          "fastScale",
          "beta2",
          "oneMinusBeta2",
          "rootScale",
          "beta3",
          "oneMinusBeta3",
          "alpha",
          "eps");
  private static final List<StateSlot> SLOTS =
      List.of(
          StateSlot.moment("exp_avg_fast"),
          StateSlot.moment("exp_avg_slow"),
          StateSlot.square("exp_avg_sq"));
  private static final List<StateSlot> SLOW_SLOTS = SLOTS.subList(1, 3);

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the fast average, in [0, 1); at 0 it is the gradient and has no state
   * @param beta2 decay of the second moment, in [0, 1)
   * @param beta3 decay of the slow average, in [0, 1)
   * @param alpha weight of the slow average, at least 0
   * @param beta3Warmup steps until the slow average has its decay, 0 for none
   * @param alphaWarmup steps until the slow average has its weight, 0 for none
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay decoupled weight decay, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double beta3,
      double alpha,
      long beta3Warmup,
      long alphaWarmup,
      double eps,
      double weightDecay,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("ademamix", "beta1", beta1);
      Hyperparameters.requireDecayRate("ademamix", "beta2", beta2);
      Hyperparameters.requireDecayRate("ademamix", "beta3", beta3);
      Hyperparameters.require(
          alpha >= 0 && alpha <= Double.MAX_VALUE,
          "ademamix",
          "alpha",
          alpha,
          "finite and at least 0",
          "pass the slow average's weight, such as 2");
      Hyperparameters.require(
          beta3Warmup >= 0,
          "ademamix",
          "beta3Warmup",
          beta3Warmup,
          "at least 0",
          "pass 0 for none");
      Hyperparameters.require(
          alphaWarmup >= 0,
          "ademamix",
          "alphaWarmup",
          alphaWarmup,
          "at least 0",
          "pass 0 for none");
      Hyperparameters.requireEps("ademamix", eps);
      Hyperparameters.requireWeightDecay("ademamix", weightDecay);
    }
  }

  private AdEmaMix(Settings settings) {
    super(settings);
  }

  @Override
  AdEmaMix copy(Settings settings) {
    return new AdEmaMix(settings);
  }

  /**
   * timm's defaults: betas 0.9, 0.999 and 0.9999, alpha 2, no warm-ups, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static AdEmaMix adEmaMix() {
    return new AdEmaMix(new Settings(0.9, 0.999, 0.9999, 2, 0, 0, 1e-8, 0, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @param beta3 in [0, 1)
   * @return a copy
   */
  public AdEmaMix betas(double beta1, double beta2, double beta3) {
    return with(Map.of("beta1", beta1, "beta2", beta2, "beta3", beta3));
  }

  /**
   * Returns a copy with another alpha.
   *
   * @param alpha weight of the slow average, at least 0
   * @return a copy
   */
  public AdEmaMix alpha(double alpha) {
    return with("alpha", alpha);
  }

  /**
   * Returns a copy with another beta3Warmup.
   *
   * @param beta3Warmup steps until the slow average has its decay, 0 for none
   * @return a copy
   */
  public AdEmaMix beta3Warmup(long beta3Warmup) {
    return with("beta3Warmup", beta3Warmup);
  }

  /**
   * Returns a copy with another alphaWarmup.
   *
   * @param alphaWarmup steps until the slow average has its weight, 0 for none
   * @return a copy
   */
  public AdEmaMix alphaWarmup(long alphaWarmup) {
    return with("alphaWarmup", alphaWarmup);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root after bias correction, at least 0
   * @return a copy
   */
  public AdEmaMix eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public AdEmaMix weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public AdEmaMix maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  private double alpha(long step) {
    return step < settings.alphaWarmup
        ? settings.alpha * step / settings.alphaWarmup
        : settings.alpha;
  }

  private double beta3(long step) {
    if (step >= settings.beta3Warmup) {
      return settings.beta3;
    }
    double part = (double) step / settings.beta3Warmup;
    double halfLife = (1.0 - part) * halfLife(settings.beta1) + part * halfLife(settings.beta3);
    return Powers.power(0.5, 1.0 / (1.0 + halfLife));
  }

  /** The number of steps after which a value's weight has halved. */
  private static double halfLife(double beta) {
    return StrictMath.log(0.5) / StrictMath.log(beta + 1e-8) - 1.0;
  }

  @Override
  public String name() {
    return "ademamix";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return settings.beta1 == 0 ? SLOW_SLOTS : SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
  }

  @Override
  public int options() {
    return settings.beta1 == 0 ? 1 : 0;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> movable() {
    return List.of("beta2", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta2 = at.get("beta2", settings.beta2);
    double beta3 = beta3(at.step());
    out[0] = at.learningRate();
    out[1] = at.get("weightDecay", settings.weightDecay);
    out[2] = settings.beta1;
    out[3] = 1.0 - settings.beta1;
    out[4] = 1.0 / (1.0 - Powers.power(settings.beta1, at.step()));
    out[5] = beta2;
    out[6] = 1.0 - beta2;
    out[7] = 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step()));
    out[8] = beta3;
    out[9] = 1.0 - beta3;
    out[10] = alpha(at.step());
    out[11] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    boolean hasFast = settings.beta1 != 0;
    float[] m1 = block.state(0);
    float[] m2 = block.state(hasFast ? 1 : 0);
    float[] v = block.state(hasFast ? 2 : 1);
    float scale = block.gradientScale();
    float lr = block.scalar(0);
    float weightDecay = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float fastScale = block.scalar(4);
    float beta2 = block.scalar(5);
    float fresh2 = block.scalar(6);
    float rootScale = block.scalar(7);
    float beta3 = block.scalar(8);
    float fresh3 = block.scalar(9);
    float alpha = block.scalar(10);
    float eps = block.scalar(11);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = scale * g[i];
      float fast = gi;
      if (hasFast) {
        fast = Math.fma(beta1, m1[i], fresh1 * gi);
        m1[i] = fast;
      }
      float slow = Math.fma(beta3, m2[i], fresh3 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m2[i] = slow;
      v[i] = vi;
      float mixed = Math.fma(alpha, slow, fast * fastScale);
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-lr, Math.fma(weightDecay, pi, mixed / denominator), pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    boolean hasFast = settings.beta1 != 0;
    double[] m1 = block.state(0);
    double[] m2 = block.state(hasFast ? 1 : 0);
    double[] v = block.state(hasFast ? 2 : 1);
    double scale = block.gradientScale();
    double lr = block.scalar(0);
    double weightDecay = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double fastScale = block.scalar(4);
    double beta2 = block.scalar(5);
    double fresh2 = block.scalar(6);
    double rootScale = block.scalar(7);
    double beta3 = block.scalar(8);
    double fresh3 = block.scalar(9);
    double alpha = block.scalar(10);
    double eps = block.scalar(11);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = scale * g[i];
      double fast = gi;
      if (hasFast) {
        fast = Math.fma(beta1, m1[i], fresh1 * gi);
        m1[i] = fast;
      }
      double slow = Math.fma(beta3, m2[i], fresh3 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m2[i] = slow;
      v[i] = vi;
      double mixed = Math.fma(alpha, slow, fast * fastScale);
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-lr, Math.fma(weightDecay, pi, mixed / denominator), pi);
    }
  }
}
