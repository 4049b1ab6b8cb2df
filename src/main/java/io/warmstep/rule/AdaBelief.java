package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * AdaBelief (Zhuang et al. 2020): Adam whose second moment tracks the squared deviation of the
 * gradient from its average, as the authors' package {@code adabelief-pytorch} 0.2 and {@code
 * timm.optim.AdaBelief} compute it. At step t:
 *
 * <pre>
 * p = p * (1 - lr * weightDecay)                      (weightDecouple; with fixedDecay 1 - weightDecay)
 * g = g + weightDecay * p                             (otherwise)
 * m = beta1 * m + (1 - beta1) * g
 * s = beta2 * s + (1 - beta2) * (g - m)^2 + eps       (eps stays in the state)
 * u = max(u, s)                                       (AMSGrad; otherwise u = s)
 * p = p - lr / (1 - beta1^t) * m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
 * </pre>
 *
 * <p>With {@code rectify} the last line is that of {@link RAdam}, with {@code sqrt(s)}, for {@code
 * rho} of 5 or more.
 *
 * <p>The authors' {@code degenerated_to_sgd}, by default on, is always on: off, parameters would
 * not move in the steps that rectification reduces to momentum, as under a schedule that begins
 * later.
 *
 * <p>State: {@code exp_avg}, {@code exp_avg_var}, and {@code max_exp_avg_var} with AMSGrad.
 */
public final class AdaBelief extends ConfiguredRule<AdaBelief.Settings, AdaBelief> {
  private static final List<String> SCALARS =
      List.of(
          "stepSize",
          "parameterScale",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "rootScale",
          "eps",
          "isNormalized");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_var"));
  private static final List<StateSlot> AMSGRAD_SLOTS =
      List.of(SLOTS.get(0), SLOTS.get(1), StateSlot.square("max_exp_avg_var"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the average, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the second moment and to its root, at least 0
   * @param weightDecay at least 0
   * @param weightDecouple whether weight decay shrinks the parameter rather than being added to the
   *     gradient
   * @param fixedDecay whether decoupled weight decay is not multiplied by the learning rate
   * @param rectify whether the first steps behave like momentum SGD, as in RAdam
   * @param amsgrad whether the second moment's running maximum is used; not with rectify
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean weightDecouple,
      boolean fixedDecay,
      boolean rectify,
      boolean amsgrad,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("adabelief", "beta1", beta1);
      Hyperparameters.requireDecayRate("adabelief", "beta2", beta2);
      Hyperparameters.requireEps("adabelief", eps);
      Hyperparameters.requireWeightDecay("adabelief", weightDecay);
      if (amsgrad && rectify) {
        throw new IllegalArgumentException(
            "adabelief: amsgrad is true, must be false with rectify: it has no effect there, pass"
                + " rectify(false) first");
      }
      if (fixedDecay && !weightDecouple) {
        throw new IllegalArgumentException(
            "adabelief: fixedDecay is true, must be false without weightDecouple, since it says how"
                + " decay shrinks a parameter and not the gradient's: leave it out");
      }
    }
  }

  private AdaBelief(Settings settings) {
    super(settings);
  }

  @Override
  AdaBelief copy(Settings settings) {
    return new AdaBelief(settings);
  }

  /**
   * The authors' defaults: betas 0.9 and 0.999, eps 1e-16, rectified, no weight decay.
   *
   * @return the rule
   */
  public static AdaBelief adaBelief() {
    return new AdaBelief(new Settings(0.9, 0.999, 1e-16, 0, true, false, true, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public AdaBelief betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the second moment and to its root, at least 0
   * @return a copy
   */
  public AdaBelief eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public AdaBelief weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with decoupled weight decay, or with L2 regularization.
   *
   * @param weightDecouple whether weight decay shrinks the parameter rather than being added to the
   *     gradient
   * @return a copy
   */
  public AdaBelief weightDecouple(boolean weightDecouple) {
    return with("weightDecouple", weightDecouple);
  }

  /**
   * Returns a copy with weight decay that does not depend on the learning rate.
   *
   * @param fixedDecay whether decoupled weight decay is not multiplied by the learning rate
   * @return a copy
   */
  public AdaBelief fixedDecay(boolean fixedDecay) {
    return with("fixedDecay", fixedDecay);
  }

  /**
   * Returns a copy with or without rectification.
   *
   * @param rectify whether the first steps behave like momentum SGD, as in RAdam
   * @return a copy
   */
  public AdaBelief rectify(boolean rectify) {
    return with("rectify", rectify);
  }

  /**
   * Returns a copy with or without AMSGrad.
   *
   * @param amsgrad whether the second moment's running maximum is used; not with rectify
   * @return a copy
   */
  public AdaBelief amsgrad(boolean amsgrad) {
    return with("amsgrad", amsgrad);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public AdaBelief maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  private double weightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
  }

  private double keep(StepValues at) {
    double rate = settings.fixedDecay ? 1.0 : at.learningRate();
    return settings.weightDecouple ? 1.0 - rate * weightDecay(at) : 1.0;
  }

  @Override
  public String name() {
    return "adabelief";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return settings.amsgrad ? AMSGRAD_SLOTS : SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return settings.weightDecouple ? 0 : weightDecay(at);
  }

  @Override
  public int options() {
    return settings.amsgrad ? 1 : 0;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> movable() {
    return List.of("beta1", "beta2", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta1 = at.get("beta1", settings.beta1);
    double beta2 = at.get("beta2", settings.beta2);
    double power2 = Powers.power(beta2, at.step());
    double length = Rectification.length(beta2, power2, at.step());
    boolean isRectified = settings.rectify && length >= 5;
    double rectification = isRectified ? Rectification.factor(beta2, power2, length) : 1.0;
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step())) * rectification;
    out[1] = keep(at);
    out[2] = beta1;
    out[3] = 1.0 - beta1;
    out[4] = beta2;
    out[5] = 1.0 - beta2;
    out[6] = settings.rectify ? 1.0 : 1.0 / Math.sqrt(1.0 - power2);
    out[7] = settings.eps;
    out[8] = !settings.rectify || isRectified ? 1 : 0;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] s = block.state(1);
    boolean takesMaximum = settings.amsgrad;
    float[] u = takesMaximum ? block.state(2) : s;
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float stepSize = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    float rootScale = block.scalar(6);
    float eps = block.scalar(7);
    boolean normalized = block.scalar(8) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float rest = gi - mi;
      float si = Math.fma(beta2, s[i], (fresh2 * rest) * rest) + eps;
      m[i] = mi;
      s[i] = si;
      if (takesMaximum) {
        si = Math.max(u[i], si);
        u[i] = si;
      }
      float denominator = normalized ? Math.fma((float) Math.sqrt(si), rootScale, eps) : 1f;
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] s = block.state(1);
    boolean takesMaximum = settings.amsgrad;
    double[] u = takesMaximum ? block.state(2) : s;
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double stepSize = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    double rootScale = block.scalar(6);
    double eps = block.scalar(7);
    boolean normalized = block.scalar(8) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double rest = gi - mi;
      double si = Math.fma(beta2, s[i], (fresh2 * rest) * rest) + eps;
      m[i] = mi;
      s[i] = si;
      if (takesMaximum) {
        si = Math.max(u[i], si);
        u[i] = si;
      }
      double denominator = normalized ? Math.fma(Math.sqrt(si), rootScale, eps) : 1.0;
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
    }
  }
}
