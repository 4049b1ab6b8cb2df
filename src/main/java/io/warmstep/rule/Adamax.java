package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * Adamax (Kingma and Ba 2015, section 7.1), Adam with the maximum magnitude in place of the root of
 * the mean square, as {@code torch.optim.Adamax} computes it. At step t:
 *
 * <pre>
 * g = g + weightDecay * p
 * m = beta1 * m + (1 - beta1) * g
 * u = max(beta2 * u, |g| + eps)
 * p = p - lr / (1 - beta1^t) * m / u
 * </pre>
 *
 * State: {@code exp_avg}, {@code exp_inf}.
 */
public final class Adamax extends ConfiguredRule<Adamax.Settings, Adamax> {
  private static final List<String> SCALARS =
      List.of("stepSize", "beta1", "oneMinusBeta1", "beta2", "eps");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_inf"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the maximum magnitude, in [0, 1)
   * @param eps added to magnitudes, at least 0
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(double beta1, double beta2, double eps, double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("adamax", "beta1", beta1);
      Hyperparameters.requireDecayRate("adamax", "beta2", beta2);
      Hyperparameters.requireEps("adamax", eps);
      Hyperparameters.requireWeightDecay("adamax", weightDecay);
    }
  }

  private Adamax(Settings settings) {
    super(settings);
  }

  @Override
  Adamax copy(Settings settings) {
    return new Adamax(settings);
  }

  /**
   * PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static Adamax adamax() {
    return new Adamax(new Settings(0.9, 0.999, 1e-8, 0, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public Adamax betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to magnitudes, at least 0
   * @return a copy
   */
  public Adamax eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Adamax weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Adamax maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adamax";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
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
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step()));
    out[1] = beta1;
    out[2] = 1.0 - beta1;
    out[3] = at.get("beta2", settings.beta2);
    out[4] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] u = block.state(1);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float stepSize = block.scalar(0);
    float beta1 = block.scalar(1);
    float fresh1 = block.scalar(2);
    float beta2 = block.scalar(3);
    float eps = block.scalar(4);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float ui = Math.max(beta2 * u[i], Math.abs(gi) + eps);
      m[i] = mi;
      u[i] = ui;
      p[i] = Math.fma(-stepSize, mi / ui, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] u = block.state(1);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double stepSize = block.scalar(0);
    double beta1 = block.scalar(1);
    double fresh1 = block.scalar(2);
    double beta2 = block.scalar(3);
    double eps = block.scalar(4);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double ui = Math.max(beta2 * u[i], Math.abs(gi) + eps);
      m[i] = mi;
      u[i] = ui;
      p[i] = Math.fma(-stepSize, mi / ui, pi);
    }
  }
}
