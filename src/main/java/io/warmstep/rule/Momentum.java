package io.warmstep.rule;

import java.util.List;

/**
 * Gradient descent with momentum, heavy ball (Polyak 1964) or Nesterov's (in the form of Sutskever
 * et al. 2013), as {@code torch.optim.SGD} with a momentum computes it:
 *
 * <pre>
 * g = g + weightDecay * p
 * b = momentum * b + (1 - dampening) * g        (b = g at the first step)
 * p = p - lr * b                                (heavy ball)
 * p = p - lr * (g + momentum * b)               (Nesterov)
 * </pre>
 *
 * State: {@code momentum_buffer}.
 */
public final class Momentum extends ConfiguredRule<Momentum.Settings, Momentum> {
  private static final List<String> SCALARS =
      List.of("learningRate", "momentum", "oneMinusDampening");
  private static final List<StateSlot> SLOTS = List.of(StateSlot.moment("momentum_buffer"));

  /**
   * The hyperparameters.
   *
   * @param momentum in [0, 1)
   * @param dampening in [0, 1]; 0 with Nesterov momentum
   * @param nesterov whether to look ahead; needs a momentum above 0
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double momentum, double dampening, boolean nesterov, double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("momentum", "momentum", momentum);
      Hyperparameters.require(
          dampening >= 0 && dampening <= 1,
          "momentum",
          "dampening",
          dampening,
          "in [0, 1]",
          "pass 0 for none");
      Hyperparameters.requireWeightDecay("momentum", weightDecay);
      if (nesterov) {
        Hyperparameters.require(
            momentum > 0,
            "momentum",
            "momentum",
            momentum,
            "above 0 with nesterov",
            "pass one such as 0.9, or use Sgd.sgd()");
        Hyperparameters.require(
            dampening == 0,
            "momentum",
            "dampening",
            dampening,
            "0 with nesterov",
            "leave it out, or use Momentum.heavyBall(momentum)");
      }
    }
  }

  private Momentum(Settings settings) {
    super(settings);
  }

  @Override
  Momentum copy(Settings settings) {
    return new Momentum(settings);
  }

  /**
   * Heavy-ball momentum.
   *
   * @param momentum in [0, 1)
   * @return the rule, without dampening or weight decay
   */
  public static Momentum heavyBall(double momentum) {
    return new Momentum(new Settings(momentum, 0, false, 0, false));
  }

  /**
   * Nesterov momentum.
   *
   * @param momentum in (0, 1)
   * @return the rule, without weight decay
   */
  public static Momentum nesterov(double momentum) {
    return new Momentum(new Settings(momentum, 0, true, 0, false));
  }

  /**
   * Returns a copy with another dampening.
   *
   * @param dampening in [0, 1]
   * @return a copy
   */
  public Momentum dampening(double dampening) {
    return with("dampening", dampening);
  }

  @Override
  public Momentum weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize true to ascend
   * @return a copy
   */
  public Momentum maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "momentum";
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
  public int options() {
    return settings.nesterov ? 1 : 0;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> movable() {
    return List.of("momentum", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    out[0] = at.learningRate();
    out[1] = at.get("momentum", settings.momentum);
    out[2] = at.step() == 1 ? 1.0 : 1.0 - settings.dampening;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] b = block.state(0);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float lr = block.scalar(0);
    float mu = block.scalar(1);
    float fresh = block.scalar(2);
    boolean looksAhead = settings.nesterov;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float bi = Math.fma(mu, b[i], fresh * gi);
      b[i] = bi;
      float direction = looksAhead ? Math.fma(mu, bi, gi) : bi;
      p[i] = Math.fma(-lr, direction, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] b = block.state(0);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double lr = block.scalar(0);
    double mu = block.scalar(1);
    double fresh = block.scalar(2);
    boolean looksAhead = settings.nesterov;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double bi = Math.fma(mu, b[i], fresh * gi);
      b[i] = bi;
      double direction = looksAhead ? Math.fma(mu, bi, gi) : bi;
      p[i] = Math.fma(-lr, direction, pi);
    }
  }
}
