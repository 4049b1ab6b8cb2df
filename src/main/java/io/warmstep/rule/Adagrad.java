package io.warmstep.rule;

import java.util.List;

/**
 * Adagrad (Duchi, Hazan and Singer 2011) as {@code torch.optim.Adagrad} computes it. At step t:
 *
 * <pre>
 * g   = g + weightDecay * p
 * sum = sum + g * g                                   (sum starts at initialAccumulatorValue)
 * p   = p - lr / (1 + (t - 1) * lrDecay) * g / (sqrt(sum) + eps)
 * </pre>
 *
 * State: {@code sum}.
 */
public final class Adagrad extends ConfiguredRule<Adagrad.Settings, Adagrad> {
  private static final List<String> SCALARS = List.of("learningRate", "eps");

  /**
   * The hyperparameters.
   *
   * @param lrDecay how fast the learning rate falls, at least 0
   * @param weightDecay L2 factor, at least 0
   * @param initialAccumulatorValue what sums start at, at least 0
   * @param eps added to the root, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double lrDecay,
      double weightDecay,
      double initialAccumulatorValue,
      double eps,
      boolean maximize) {
    Settings {
      Hyperparameters.require(
          lrDecay >= 0 && lrDecay <= Double.MAX_VALUE,
          "adagrad",
          "lrDecay",
          lrDecay,
          "finite and at least 0",
          "pass 0 for none");
      Hyperparameters.requireWeightDecay("adagrad", weightDecay);
      Hyperparameters.require(
          initialAccumulatorValue >= 0 && initialAccumulatorValue <= Double.MAX_VALUE,
          "adagrad",
          "initialAccumulatorValue",
          initialAccumulatorValue,
          "finite and at least 0",
          "pass 0 as PyTorch does");
      Hyperparameters.requireEps("adagrad", eps);
    }
  }

  private Adagrad(Settings settings) {
    super(settings);
  }

  @Override
  Adagrad copy(Settings settings) {
    return new Adagrad(settings);
  }

  /**
   * PyTorch's defaults: no decay of the learning rate, eps 1e-10, no weight decay.
   *
   * @return the rule
   */
  public static Adagrad adagrad() {
    return new Adagrad(new Settings(0, 0, 0, 1e-10, false));
  }

  /**
   * Returns a copy with another lrDecay.
   *
   * @param lrDecay how fast the learning rate falls, at least 0
   * @return a copy
   */
  public Adagrad lrDecay(double lrDecay) {
    return with("lrDecay", lrDecay);
  }

  @Override
  public Adagrad weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with another initialAccumulatorValue.
   *
   * @param initialAccumulatorValue what sums start at, at least 0
   * @return a copy
   */
  public Adagrad initialAccumulatorValue(double initialAccumulatorValue) {
    return with("initialAccumulatorValue", initialAccumulatorValue);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root, at least 0
   * @return a copy
   */
  public Adagrad eps(double eps) {
    return with("eps", eps);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Adagrad maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adagrad";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return List.of(new StateSlot("sum", settings.initialAccumulatorValue));
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
    out[0] = at.learningRate() / (1.0 + (at.step() - 1) * settings.lrDecay);
    out[1] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] sum = block.state(0);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float lr = block.scalar(0);
    float eps = block.scalar(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float sumI = Math.fma(gi, gi, sum[i]);
      sum[i] = sumI;
      p[i] = Math.fma(-lr, gi / ((float) Math.sqrt(sumI) + eps), pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] sum = block.state(0);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double lr = block.scalar(0);
    double eps = block.scalar(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double sumI = Math.fma(gi, gi, sum[i]);
      sum[i] = sumI;
      p[i] = Math.fma(-lr, gi / (Math.sqrt(sumI) + eps), pi);
    }
  }
}
