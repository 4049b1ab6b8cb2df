package io.warmstep.rule;

import java.util.List;

/**
 * Adadelta (Zeiler 2012) as {@code torch.optim.Adadelta} computes it. Its steps have the units of
 * the parameters, so its usual learning rate is 1.
 *
 * <pre>
 * g = g + weightDecay * p
 * s = rho * s + (1 - rho) * g * g
 * d = sqrt(a + eps) / sqrt(s + eps) * g
 * a = rho * a + (1 - rho) * d * d
 * p = p - lr * d
 * </pre>
 *
 * State: {@code square_avg}, {@code acc_delta}.
 */
public final class Adadelta extends ConfiguredRule<Adadelta.Settings, Adadelta> {
  private static final List<String> SCALARS = List.of("learningRate", "rho", "oneMinusRho", "eps");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.square("square_avg"), StateSlot.square("acc_delta"));

  /**
   * The hyperparameters.
   *
   * @param rho decay of both averages, in [0, 1)
   * @param eps added to both averages, at least 0
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(double rho, double eps, double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("adadelta", "rho", rho);
      Hyperparameters.requireEps("adadelta", eps);
      Hyperparameters.requireWeightDecay("adadelta", weightDecay);
    }
  }

  private Adadelta(Settings settings) {
    super(settings);
  }

  @Override
  Adadelta copy(Settings settings) {
    return new Adadelta(settings);
  }

  /**
   * PyTorch's defaults: rho 0.9, eps 1e-6, no weight decay.
   *
   * @return the rule
   */
  public static Adadelta adadelta() {
    return new Adadelta(new Settings(0.9, 1e-6, 0, false));
  }

  /**
   * Returns a copy with another rho.
   *
   * @param rho decay of both averages, in [0, 1)
   * @return a copy
   */
  public Adadelta rho(double rho) {
    return with("rho", rho);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to both averages, at least 0
   * @return a copy
   */
  public Adadelta eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Adadelta weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Adadelta maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adadelta";
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
    return List.of("rho", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double rho = at.get("rho", settings.rho);
    out[0] = at.learningRate();
    out[1] = rho;
    out[2] = 1.0 - rho;
    out[3] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] s = block.state(0);
    float[] a = block.state(1);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float lr = block.scalar(0);
    float rho = block.scalar(1);
    float fresh = block.scalar(2);
    float eps = block.scalar(3);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float si = Math.fma(rho, s[i], (fresh * gi) * gi);
      float ai = a[i];
      float delta = (float) Math.sqrt(ai + eps) / (float) Math.sqrt(si + eps) * gi;
      s[i] = si;
      a[i] = Math.fma(rho, ai, (fresh * delta) * delta);
      p[i] = Math.fma(-lr, delta, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] s = block.state(0);
    double[] a = block.state(1);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double lr = block.scalar(0);
    double rho = block.scalar(1);
    double fresh = block.scalar(2);
    double eps = block.scalar(3);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double si = Math.fma(rho, s[i], (fresh * gi) * gi);
      double ai = a[i];
      double delta = Math.sqrt(ai + eps) / Math.sqrt(si + eps) * gi;
      s[i] = si;
      a[i] = Math.fma(rho, ai, (fresh * delta) * delta);
      p[i] = Math.fma(-lr, delta, pi);
    }
  }
}
