package io.warmstep.rule;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Stochastic gradient descent without a schedule (Defazio et al. 2024, arXiv 2405.15682) as {@code
 * schedulefree.SGDScheduleFree} computes it: gradients are taken at y, between the point z that
 * they move and the average x of all z, and a model is evaluated at x. At step t:
 *
 * <pre>
 * lr = lr * min(1, t / warmupSteps)
 * w  = t^r * max(lr so far)^weightLrPower
 * c  = w / (sum of w)                                 (0 if that is 0)
 * g  = g + weightDecay * y
 * y  = y + c * (z - y) - lr * (1 - momentum * (1 - c)) * g
 * z  = z - lr * g                                     (z = y before the first step)
 * x  = y + (1 - 1 / momentum) * (z - y)               (for evaluation)
 * </pre>
 *
 * The parameters are y while training and x after {@code Optimizer.eval()}. The learning rate is
 * meant to be constant, with {@code warmupSteps} in place of a warm-up. State: {@code z}; kept
 * once: {@code weight_sum}, {@code lr_max}.
 */
public final class ScheduleFreeSgd
    extends ConfiguredRule<ScheduleFreeSgd.Settings, ScheduleFreeSgd> {
  private static final String NAME = "schedulefreesgd";
  private static final List<String> SCALARS = List.of("average", "stepSize", "lr");
  private static final List<StateSlot> SLOTS = List.of(StateSlot.copyOfParameter("z"));

  private final ScheduleFree weights;

  /**
   * The hyperparameters.
   *
   * @param momentum how near y is to x, above 0 and below 1
   * @param weightDecay L2 factor, at least 0
   * @param warmupSteps steps of a linear warm-up, at least 0
   * @param r power of the step in the weight of its z, at least 0
   * @param weightLrPower power of the largest learning rate in it, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double momentum,
      double weightDecay,
      long warmupSteps,
      double r,
      double weightLrPower,
      boolean maximize) {
    Settings {
      ScheduleFree.require(NAME, "momentum", momentum, warmupSteps, r, weightLrPower);
      Hyperparameters.requireWeightDecay(NAME, weightDecay);
    }
  }

  private ScheduleFreeSgd(Settings settings) {
    super(settings);
    weights = new ScheduleFree(settings.warmupSteps, settings.r, settings.weightLrPower);
  }

  @Override
  ScheduleFreeSgd copy(Settings settings) {
    return new ScheduleFreeSgd(settings);
  }

  /**
   * The authors' defaults: momentum 0.9, no weight decay, no warm-up, r 0, weightLrPower 2.
   *
   * @return the rule
   */
  public static ScheduleFreeSgd scheduleFreeSgd() {
    return new ScheduleFreeSgd(new Settings(0.9, 0, 0, 0, 2, false));
  }

  /**
   * Returns a copy with another momentum.
   *
   * @param momentum above 0 and below 1
   * @return a copy
   */
  public ScheduleFreeSgd momentum(double momentum) {
    return with("momentum", momentum);
  }

  @Override
  public ScheduleFreeSgd weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with a linear warm-up of the learning rate.
   *
   * @param warmupSteps how many steps, at least 0
   * @return a copy
   */
  public ScheduleFreeSgd warmupSteps(long warmupSteps) {
    return with("warmupSteps", warmupSteps);
  }

  /**
   * Returns a copy with other averaging weights: {@code t^r * max(lr)^weightLrPower} at step t.
   *
   * @param r at least 0
   * @param weightLrPower at least 0
   * @return a copy
   */
  public ScheduleFreeSgd averaging(double r, double weightLrPower) {
    return with(Map.of("r", r, "weightLrPower", weightLrPower));
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public ScheduleFreeSgd maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public List<StateSlot> keptNumbers() {
    return ScheduleFree.KEPT;
  }

  @Override
  public void advance(StepValues at, double[] kept) {
    weights.advance(at, kept);
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
  public List<String> movable() {
    return List.of("weightDecay");
  }

  @Override
  public Optional<EvaluationWeights> evaluation() {
    return Optional.of(ScheduleFree.evaluation(settings.momentum));
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    out[0] = weights.average(at);
    out[1] = weights.stepSize(at, settings.momentum);
    out[2] = weights.rate(at);
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] z = block.state(0);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float average = block.scalar(0);
    float stepSize = block.scalar(1);
    float lr = block.scalar(2);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float zi = z[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      z[i] = Math.fma(-lr, gi, zi);
      p[i] = Math.fma(-stepSize, gi, Math.fma(average, zi - pi, pi));
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] z = block.state(0);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double average = block.scalar(0);
    double stepSize = block.scalar(1);
    double lr = block.scalar(2);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double zi = z[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      z[i] = Math.fma(-lr, gi, zi);
      p[i] = Math.fma(-stepSize, gi, Math.fma(average, zi - pi, pi));
    }
  }
}
