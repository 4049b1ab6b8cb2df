package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * NAdam (Dozat 2016): Adam with Nesterov's momentum, which grows from step to step, as {@code
 * torch.optim.NAdam} of PyTorch 2 computes it. At step t:
 *
 * <pre>
 * g  = g + weightDecay * p                            (L2)
 * p  = p * (1 - lr * weightDecay)                     (decoupled)
 * mu = beta1 * (1 - 0.5 * 0.96^(t * momentumDecay)),  next = that of step t + 1
 * P  = product of mu up to step t
 * m  = beta1 * m + (1 - beta1) * g
 * v  = beta2 * v + (1 - beta2) * g * g
 * q  = sqrt(v / (1 - beta2^t)) + eps
 * p  = p - lr * (1 - mu) / (1 - P) * g / q - lr * next / (1 - P * next) * m / q
 * </pre>
 *
 * State: {@code exp_avg}, {@code exp_avg_sq}; kept once: {@code mu_product}.
 */
public final class NAdam extends ConfiguredRule<NAdam.Settings, NAdam> {
  private static final List<String> SCALARS =
      List.of(
          "gradientSize",
          "momentSize",
          "parameterScale",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "rootScale",
          "eps");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_sq"));
  private static final List<StateSlot> KEPT = List.of(new StateSlot("mu_product", 1));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay at least 0
   * @param momentumDecay how fast the momentum grows, at least 0
   * @param decoupledWeightDecay whether weight decay shrinks the parameter rather than being added
   *     to the gradient
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      double momentumDecay,
      boolean decoupledWeightDecay,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("nadam", "beta1", beta1);
      Hyperparameters.requireDecayRate("nadam", "beta2", beta2);
      Hyperparameters.requireEps("nadam", eps);
      Hyperparameters.requireWeightDecay("nadam", weightDecay);
      Hyperparameters.require(
          momentumDecay >= 0 && momentumDecay <= Double.MAX_VALUE,
          "nadam",
          "momentumDecay",
          momentumDecay,
          "finite and at least 0",
          "pass a small number such as 0.004");
    }
  }

  private NAdam(Settings settings) {
    super(settings);
  }

  @Override
  NAdam copy(Settings settings) {
    return new NAdam(settings);
  }

  /**
   * PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, momentumDecay 0.004, no weight decay.
   *
   * @return the rule
   */
  public static NAdam nAdam() {
    return new NAdam(new Settings(0.9, 0.999, 1e-8, 0, 4e-3, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public NAdam betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root after bias correction, at least 0
   * @return a copy
   */
  public NAdam eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public NAdam weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with another momentumDecay.
   *
   * @param momentumDecay how fast the momentum grows, at least 0
   * @return a copy
   */
  public NAdam momentumDecay(double momentumDecay) {
    return with("momentumDecay", momentumDecay);
  }

  /**
   * Returns a copy with decoupled weight decay, or with L2 regularization.
   *
   * @param decoupledWeightDecay whether weight decay shrinks the parameter rather than being added
   *     to the gradient
   * @return a copy
   */
  public NAdam decoupledWeightDecay(boolean decoupledWeightDecay) {
    return with("decoupledWeightDecay", decoupledWeightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public NAdam maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  private double weightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
  }

  private double momentum(StepValues at, long step) {
    double growth = 1.0 - 0.5 * Powers.power(0.96, step * settings.momentumDecay);
    return at.get("beta1", settings.beta1) * growth;
  }

  @Override
  public List<StateSlot> keptNumbers() {
    return KEPT;
  }

  @Override
  public void advance(StepValues at, double[] kept) {
    kept[0] *= momentum(at, at.step());
  }

  @Override
  public String name() {
    return "nadam";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return settings.decoupledWeightDecay ? 0 : weightDecay(at);
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

    double mu = momentum(at, at.step());
    double next = momentum(at, at.step() + 1);
    double product = at.kept(0, 1) * mu;
    out[0] = at.learningRate() * (1.0 - mu) / (1.0 - product);
    out[1] = at.learningRate() * next / (1.0 - product * next);
    out[2] = settings.decoupledWeightDecay ? 1.0 - at.learningRate() * weightDecay(at) : 1.0;
    out[3] = beta1;
    out[4] = 1.0 - beta1;
    out[5] = beta2;
    out[6] = 1.0 - beta2;
    out[7] = 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step()));
    out[8] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float gradientSize = block.scalar(0);
    float momentSize = block.scalar(1);
    float keep = block.scalar(2);
    float beta1 = block.scalar(3);
    float fresh1 = block.scalar(4);
    float beta2 = block.scalar(5);
    float fresh2 = block.scalar(6);
    float rootScale = block.scalar(7);
    float eps = block.scalar(8);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      float step = Math.fma(gradientSize, gi, momentSize * mi);
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(keep, pi, -(step / denominator));
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double gradientSize = block.scalar(0);
    double momentSize = block.scalar(1);
    double keep = block.scalar(2);
    double beta1 = block.scalar(3);
    double fresh1 = block.scalar(4);
    double beta2 = block.scalar(5);
    double fresh2 = block.scalar(6);
    double rootScale = block.scalar(7);
    double eps = block.scalar(8);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      double step = Math.fma(gradientSize, gi, momentSize * mi);
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(keep, pi, -(step / denominator));
    }
  }
}
