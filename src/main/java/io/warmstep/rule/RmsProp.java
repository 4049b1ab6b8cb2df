package io.warmstep.rule;

import java.util.List;

/**
 * RMSProp (Tieleman and Hinton 2012), optionally centered (Graves 2013) and with momentum, as
 * {@code torch.optim.RMSprop} computes it:
 *
 * <pre>
 * g = g + weightDecay * p
 * v = alpha * v + (1 - alpha) * g * g
 * a = alpha * a + (1 - alpha) * g               (centered)
 * d = g / (sqrt(v) + eps)                       (or sqrt(max(0, v - a * a)) if centered)
 * b = momentum * b + d                          (with momentum; d = b)
 * p = p - lr * d
 * </pre>
 *
 * State: {@code square_avg}, then {@code grad_avg} if centered, then {@code momentum_buffer} if the
 * momentum is above 0. The centered variance is kept at 0 or above: rounding can make it negative,
 * where PyTorch gives NaN.
 */
public final class RmsProp extends ConfiguredRule<RmsProp.Settings, RmsProp> {
  private static final List<String> SCALARS =
      List.of("learningRate", "alpha", "oneMinusAlpha", "eps", "momentum");
  private static final StateSlot SQUARE_AVG = StateSlot.square("square_avg");

  /** Their difference, the variance, is small compared with them: all bits matter. */
  private static final List<StateSlot> CENTERED =
      List.of(new StateSlot("square_avg"), new StateSlot("grad_avg"));

  private static final StateSlot MOMENTUM_BUFFER = StateSlot.moment("momentum_buffer");

  /**
   * The hyperparameters.
   *
   * @param alpha smoothing constant, in [0, 1)
   * @param eps added to the root, at least 0
   * @param centered whether the gradient's running mean is subtracted
   * @param momentum in [0, 1); 0 for none
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double alpha,
      double eps,
      boolean centered,
      double momentum,
      double weightDecay,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("rmsprop", "alpha", alpha);
      Hyperparameters.requireEps("rmsprop", eps);
      Hyperparameters.requireDecayRate("rmsprop", "momentum", momentum);
      Hyperparameters.requireWeightDecay("rmsprop", weightDecay);
    }
  }

  private RmsProp(Settings settings) {
    super(settings);
  }

  @Override
  RmsProp copy(Settings settings) {
    return new RmsProp(settings);
  }

  /**
   * PyTorch's defaults: alpha 0.99, eps 1e-8, neither centered nor with momentum.
   *
   * @return the rule
   */
  public static RmsProp rmsProp() {
    return new RmsProp(new Settings(0.99, 1e-8, false, 0, 0, false));
  }

  /**
   * Returns a copy with another smoothing constant.
   *
   * @param alpha in [0, 1)
   * @return a copy
   */
  public RmsProp alpha(double alpha) {
    return with("alpha", alpha);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public RmsProp eps(double eps) {
    return with("eps", eps);
  }

  /**
   * Returns a copy that is centered or not.
   *
   * @param centered whether the gradient's running mean is subtracted
   * @return a copy
   */
  public RmsProp centered(boolean centered) {
    return with("centered", centered);
  }

  /**
   * Returns a copy with another momentum.
   *
   * @param momentum in [0, 1)
   * @return a copy
   */
  public RmsProp momentum(double momentum) {
    return with("momentum", momentum);
  }

  @Override
  public RmsProp weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize true to ascend
   * @return a copy
   */
  public RmsProp maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "rmsprop";
  }

  /**
   * Whether there is a momentum buffer, also in steps in which a schedule sets the momentum to 0.
   */
  private boolean hasMomentum() {
    return settings.momentum > 0;
  }

  @Override
  public List<StateSlot> stateSlots() {
    if (settings.centered) {
      return hasMomentum() ? List.of(CENTERED.get(0), CENTERED.get(1), MOMENTUM_BUFFER) : CENTERED;
    }
    return hasMomentum() ? List.of(SQUARE_AVG, MOMENTUM_BUFFER) : List.of(SQUARE_AVG);
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
  }

  @Override
  public int options() {
    return (settings.centered ? 1 : 0) | (hasMomentum() ? 2 : 0);
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> movable() {
    return hasMomentum()
        ? List.of("alpha", "momentum", "weightDecay")
        : List.of("alpha", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double alpha = at.get("alpha", settings.alpha);
    out[0] = at.learningRate();
    out[1] = alpha;
    out[2] = 1.0 - alpha;
    out[3] = settings.eps;
    out[4] = at.get("momentum", settings.momentum);
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] v = block.state(0);
    boolean subtractsMean = settings.centered;
    float[] a = subtractsMean ? block.state(1) : v;
    boolean hasMomentum = hasMomentum();
    float[] b = hasMomentum ? block.state(subtractsMean ? 2 : 1) : v;
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float lr = block.scalar(0);
    float alpha = block.scalar(1);
    float fresh = block.scalar(2);
    float eps = block.scalar(3);
    float mu = block.scalar(4);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float vi = Math.fma(alpha, v[i], (fresh * gi) * gi);
      v[i] = vi;
      float variance = vi;
      if (subtractsMean) {
        float ai = Math.fma(alpha, a[i], fresh * gi);
        a[i] = ai;
        variance = Math.max(0f, Math.fma(-ai, ai, vi));
      }
      float direction = gi / ((float) Math.sqrt(variance) + eps);
      if (hasMomentum) {
        direction = Math.fma(mu, b[i], direction);
        b[i] = direction;
      }
      p[i] = Math.fma(-lr, direction, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] v = block.state(0);
    boolean subtractsMean = settings.centered;
    double[] a = subtractsMean ? block.state(1) : v;
    boolean hasMomentum = hasMomentum();
    double[] b = hasMomentum ? block.state(subtractsMean ? 2 : 1) : v;
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double lr = block.scalar(0);
    double alpha = block.scalar(1);
    double fresh = block.scalar(2);
    double eps = block.scalar(3);
    double mu = block.scalar(4);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double vi = Math.fma(alpha, v[i], (fresh * gi) * gi);
      v[i] = vi;
      double variance = vi;
      if (subtractsMean) {
        double ai = Math.fma(alpha, a[i], fresh * gi);
        a[i] = ai;
        variance = Math.max(0.0, Math.fma(-ai, ai, vi));
      }
      double direction = gi / (Math.sqrt(variance) + eps);
      if (hasMomentum) {
        direction = Math.fma(mu, b[i], direction);
        b[i] = direction;
      }
      p[i] = Math.fma(-lr, direction, pi);
    }
  }
}
