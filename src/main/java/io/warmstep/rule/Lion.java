package io.warmstep.rule;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"): the sign of an average
 * of gradients, with decoupled weight decay, as its authors and {@code timm.optim.Lion} compute it.
 * Every parameter moves by the learning rate, so use a rate 3 to 10 times smaller than for AdamW
 * and a correspondingly larger weight decay.
 *
 * <pre>
 * p = p * (1 - lr * weightDecay)
 * p = p - lr * sign(beta1 * m + (1 - beta1) * g)      (sign(0) = 0)
 * m = beta2 * m + (1 - beta2) * g
 * </pre>
 *
 * <p>With {@link #caution}, as in {@code timm}, an element whose gradient has another sign than its
 * direction does not move, and the others move by the learning rate divided by the fraction of the
 * tensor's elements that do (at least 0.001).
 *
 * <p>timm's {@code corrected_weight_decay} and the {@code decoupled_weight_decay} of lucidrains'
 * {@code lion-pytorch} are no options here: both only change the weight decay by the learning rate,
 * as a schedule of {@code weightDecay} does.
 *
 * <p>State: {@code exp_avg}.
 */
public final class Lion extends ConfiguredRule<Lion.Settings, Lion> {
  private static final List<String> SCALARS =
      List.of("learningRate", "parameterScale", "beta1", "oneMinusBeta1", "beta2", "oneMinusBeta2");
  private static final List<String> CAUTIOUS_SCALARS =
      Stream.concat(SCALARS.stream(), Stream.of("leastMean", "looksAhead")).toList();
  private static final CautiousSums SUMS = new CautiousSums();
  private static final List<StateSlot> SLOTS = List.of(StateSlot.moment("exp_avg"));

  /**
   * The hyperparameters.
   *
   * @param beta1 weight of the average in the direction, in [0, 1)
   * @param beta2 decay of the average, in [0, 1)
   * @param weightDecay decoupled weight decay, at least 0
   * @param caution whether to update only elements whose gradient agrees in sign
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1, double beta2, double weightDecay, boolean caution, boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("lion", "beta1", beta1);
      Hyperparameters.requireDecayRate("lion", "beta2", beta2);
      Hyperparameters.requireWeightDecay("lion", weightDecay);
    }
  }

  private Lion(Settings settings) {
    super(settings);
  }

  @Override
  Lion copy(Settings settings) {
    return new Lion(settings);
  }

  /**
   * The defaults of its authors: betas 0.9 and 0.99, no weight decay.
   *
   * @return the rule
   */
  public static Lion lion() {
    return new Lion(new Settings(0.9, 0.99, 0, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public Lion betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  @Override
  public Lion weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with or without caution.
   *
   * @param caution whether to update only elements whose gradient agrees in sign with the direction
   * @return a copy
   */
  public Lion caution(boolean caution) {
    return with("caution", caution);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Lion maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "lion";
  }

  @Override
  public String kernel() {
    return settings.caution ? "lion_cautious" : name();
  }

  @Override
  public String sumsKernel() {
    return settings.caution ? CautiousAdam.KERNEL : kernel();
  }

  @Override
  public Optional<TensorSums> sums() {
    return settings.caution ? Optional.of(SUMS) : Optional.empty();
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
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
    return settings.caution ? CAUTIOUS_SCALARS : SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta1 = at.get("beta1", settings.beta1);
    double beta2 = at.get("beta2", settings.beta2);
    out[0] = at.learningRate();
    out[1] = 1.0 - at.learningRate() * at.get("weightDecay", settings.weightDecay);
    out[2] = beta1;
    out[3] = 1.0 - beta1;
    out[4] = beta2;
    out[5] = 1.0 - beta2;
    if (settings.caution) {
      out[CautiousSums.LEAST_SCALAR] = CautiousSums.LEAST;
      out[CautiousSums.LOOKS_AHEAD_SCALAR] = 0;
    }
  }

  @Override
  public void update(FloatBlock block) {
    if (settings.caution) {
      updateCautiously(block);
      return;
    }
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float scale = block.gradientScale();
    float lr = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    // The average is loaded again and moved after the parameter, or JDK 25 leaves the loop scalar.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float direction = Signs.sign(Math.fma(beta1, m[i], fresh1 * gi));
      p[i] = Math.fma(-lr, direction, keep * p[i]);
      m[i] = Math.fma(beta2, m[i], fresh2 * gi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    if (settings.caution) {
      updateCautiously(block);
      return;
    }
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double scale = block.gradientScale();
    double lr = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    // The average is loaded again and moved after the parameter, or JDK 25 leaves the loop scalar.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double direction = Signs.sign(Math.fma(beta1, m[i], fresh1 * gi));
      p[i] = Math.fma(-lr, direction, keep * p[i]);
      m[i] = Math.fma(beta2, m[i], fresh2 * gi);
    }
  }

  private static void updateCautiously(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float scale = block.gradientScale();
    float lr = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    float maskScale = block.number(0);
    // The average is loaded again and moved after the parameter, or JDK 25 leaves the loop scalar.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float direction = Signs.sign(Math.fma(beta1, m[i], fresh1 * gi));
      float moved = (Signs.agree(direction, gi) * maskScale) * direction;
      p[i] = Math.fma(-lr, moved, keep * p[i]);
      m[i] = Math.fma(beta2, m[i], fresh2 * gi);
    }
  }

  private static void updateCautiously(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double scale = block.gradientScale();
    double lr = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    double maskScale = block.number(0);
    // The average is loaded again and moved after the parameter, or JDK 25 leaves the loop scalar.
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double direction = Signs.sign(Math.fma(beta1, m[i], fresh1 * gi));
      double moved = (Signs.agree(direction, gi) * maskScale) * direction;
      p[i] = Math.fma(-lr, moved, keep * p[i]);
      m[i] = Math.fma(beta2, m[i], fresh2 * gi);
    }
  }
}
