package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * RAdam (Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond"): Adam that
 * behaves like momentum SGD while its second moment is still unreliable, as {@code
 * torch.optim.RAdam} computes it. At step t:
 *
 * <pre>
 * g = g + weightDecay * p                             (L2)
 * p = p * (1 - lr * weightDecay)                      (decoupled)
 * m = beta1 * m + (1 - beta1) * g
 * v = beta2 * v + (1 - beta2) * g * g
 * rhoInf = 2 / (1 - beta2) - 1
 * rho = rhoInf - 2 * t * beta2^t / (1 - beta2^t)
 * r = sqrt((rho - 4) (rho - 2) rhoInf / ((rhoInf - 4) (rhoInf - 2) rho))
 * p = p - lr / (1 - beta1^t) * r * sqrt(1 - beta2^t) * m / (sqrt(v) + eps)     (rho above 5)
 * p = p - lr / (1 - beta1^t) * m                                               (otherwise)
 * </pre>
 *
 * State: {@code exp_avg}, {@code exp_avg_sq}.
 */
public final class RAdam extends ConfiguredRule<RAdam.Settings, RAdam> {
  private static final List<String> SCALARS =
      List.of(
          "stepSize",
          "parameterScale",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "eps",
          "isRectified");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_sq"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root before bias correction, at least 0
   * @param weightDecay at least 0
   * @param decoupledWeightDecay whether weight decay shrinks the parameter rather than being added
   *     to the gradient
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean decoupledWeightDecay,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("radam", "beta1", beta1);
      Hyperparameters.requireDecayRate("radam", "beta2", beta2);
      Hyperparameters.requireEps("radam", eps);
      Hyperparameters.requireWeightDecay("radam", weightDecay);
    }
  }

  private RAdam(Settings settings) {
    super(settings);
  }

  @Override
  RAdam copy(Settings settings) {
    return new RAdam(settings);
  }

  /**
   * PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static RAdam rAdam() {
    return new RAdam(new Settings(0.9, 0.999, 1e-8, 0, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public RAdam betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root before bias correction, at least 0
   * @return a copy
   */
  public RAdam eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public RAdam weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with decoupled weight decay, or with L2 regularization.
   *
   * @param decoupledWeightDecay whether weight decay shrinks the parameter rather than being added
   *     to the gradient
   * @return a copy
   */
  public RAdam decoupledWeightDecay(boolean decoupledWeightDecay) {
    return with("decoupledWeightDecay", decoupledWeightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public RAdam maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  private double weightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
  }

  @Override
  public String name() {
    return "radam";
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
    double power2 = Powers.power(beta2, at.step());
    double length = Rectification.length(beta2, power2, at.step());
    boolean isRectified = length > 5;
    double rectification = isRectified ? Rectification.factor(beta2, power2, length) : 1.0;
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step())) * rectification;
    out[1] = settings.decoupledWeightDecay ? 1.0 - at.learningRate() * weightDecay(at) : 1.0;
    out[2] = beta1;
    out[3] = 1.0 - beta1;
    out[4] = beta2;
    out[5] = 1.0 - beta2;
    out[6] = settings.eps;
    out[7] = isRectified ? 1 : 0;
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
    float stepSize = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    float eps = block.scalar(6);
    boolean rectified = block.scalar(7) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      float denominator = rectified ? (float) Math.sqrt(vi) + eps : 1f;
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
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
    double stepSize = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    double eps = block.scalar(6);
    boolean rectified = block.scalar(7) != 0;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      double denominator = rectified ? Math.sqrt(vi) + eps : 1.0;
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
    }
  }
}
