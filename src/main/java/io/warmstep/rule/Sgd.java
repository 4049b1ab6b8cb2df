package io.warmstep.rule;

import java.util.List;

/**
 * Stochastic gradient descent without momentum (Robbins and Monro 1951), as {@code torch.optim.SGD}
 * computes it:
 *
 * <pre>
 * g = g + weightDecay * p
 * p = p - lr * g
 * </pre>
 *
 * <p>PyTorch's {@code momentum}, {@code dampening} and {@code nesterov} are options of {@link
 * Momentum}, since only that has state.
 */
public final class Sgd extends ConfiguredRule<Sgd.Settings, Sgd> {
  private static final List<String> SCALARS = List.of("learningRate");

  /**
   * The hyperparameters.
   *
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.requireWeightDecay("sgd", weightDecay);
    }
  }

  private Sgd(Settings settings) {
    super(settings);
  }

  @Override
  Sgd copy(Settings settings) {
    return new Sgd(settings);
  }

  /**
   * PyTorch's defaults: no weight decay, minimize.
   *
   * @return the rule
   */
  public static Sgd sgd() {
    return new Sgd(new Settings(0, false));
  }

  @Override
  public Sgd weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize true to ascend
   * @return a copy
   */
  public Sgd maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "sgd";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return List.of();
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
    return List.of("weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    out[0] = at.learningRate();
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float lr = block.scalar(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      p[i] = Math.fma(-lr, gi, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double lr = block.scalar(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      p[i] = Math.fma(-lr, gi, pi);
    }
  }
}
