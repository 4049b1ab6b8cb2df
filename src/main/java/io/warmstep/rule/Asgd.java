package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Optional;

/**
 * Averaged stochastic gradient descent (Polyak and Juditsky 1992) as {@code torch.optim.ASGD}
 * computes it: the state holds the average of the parameters from step t0 on, which replaces them
 * for evaluation, after {@code Optimizer.eval()}. At step t:
 *
 * <pre>
 * g  = g + weightDecay * p
 * p  = p * (1 - lambd * eta) - eta * g
 * ax = ax + mu * (p - ax)                             (ax = p while mu is 1)
 * eta = lr / (1 + lambd * lr * t)^alpha               (for the next step; lr in the first)
 * mu  = 1 / max(1, t - t0)                            (for the next step; 1 in the first)
 * </pre>
 *
 * State: {@code ax}, which starts at the parameter, for one that joins after t0; kept once: {@code
 * eta}, {@code mu}.
 */
public final class Asgd extends ConfiguredRule<Asgd.Settings, Asgd> {
  private static final List<String> SCALARS = List.of("eta", "parameterScale", "mu");
  private static final List<StateSlot> SLOTS = List.of(StateSlot.copyOfParameter("ax"));
  private static final Optional<EvaluationWeights> EVALUATION =
      Optional.of(new EvaluationWeights("ax", 1));
  private static final List<StateSlot> KEPT = List.of(new StateSlot("eta"), new StateSlot("mu", 1));

  /**
   * The hyperparameters.
   *
   * @param lambd decay of parameters and rate, at least 0
   * @param alpha power of the decay of the rate, at least 0
   * @param t0 step from which parameters are averaged, at least 0
   * @param weightDecay L2 factor, at least 0
   * @param maximize whether to ascend
   */
  record Settings(double lambd, double alpha, double t0, double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.require(
          lambd >= 0 && lambd <= Double.MAX_VALUE,
          "asgd",
          "lambd",
          lambd,
          "finite and at least 0",
          "pass a small number such as 1e-4");
      Hyperparameters.require(
          alpha >= 0 && alpha <= Double.MAX_VALUE,
          "asgd",
          "alpha",
          alpha,
          "finite and at least 0",
          "pass a power such as 0.75");
      Hyperparameters.require(
          t0 >= 0 && t0 <= Double.MAX_VALUE,
          "asgd",
          "t0",
          t0,
          "finite and at least 0",
          "pass the step from which parameters are averaged");
      Hyperparameters.requireWeightDecay("asgd", weightDecay);
    }
  }

  private Asgd(Settings settings) {
    super(settings);
  }

  @Override
  Asgd copy(Settings settings) {
    return new Asgd(settings);
  }

  /**
   * PyTorch's defaults: lambd 1e-4, alpha 0.75, averages from step 1,000,000 on, no weight decay.
   *
   * @return the rule
   */
  public static Asgd asgd() {
    return new Asgd(new Settings(1e-4, 0.75, 1e6, 0, false));
  }

  /**
   * Returns a copy with another lambd.
   *
   * @param lambd decay of parameters and rate, at least 0
   * @return a copy
   */
  public Asgd lambd(double lambd) {
    return with("lambd", lambd);
  }

  /**
   * Returns a copy with another alpha.
   *
   * @param alpha power of the decay of the rate, at least 0
   * @return a copy
   */
  public Asgd alpha(double alpha) {
    return with("alpha", alpha);
  }

  /**
   * Returns a copy with another t0.
   *
   * @param t0 step from which parameters are averaged, at least 0
   * @return a copy
   */
  public Asgd t0(double t0) {
    return with("t0", t0);
  }

  @Override
  public Asgd weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Asgd maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public Optional<EvaluationWeights> evaluation() {
    return EVALUATION;
  }

  @Override
  public List<StateSlot> keptNumbers() {
    return KEPT;
  }

  @Override
  public void advance(StepValues at, double[] kept) {
    double rate = at.learningRate();
    kept[0] = rate / Powers.power(1.0 + settings.lambd * rate * at.step(), settings.alpha);
    kept[1] = 1.0 / Math.max(1.0, at.step() - settings.t0);
  }

  @Override
  public String name() {
    return "asgd";
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
    return List.of("weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double eta = at.step() == 1 ? at.learningRate() : at.kept(0, at.learningRate());
    out[0] = eta;
    out[1] = 1.0 - settings.lambd * eta;
    out[2] = at.kept(1, 1);
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] ax = block.state(0);
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    float eta = block.scalar(0);
    float keep = block.scalar(1);
    float mu = block.scalar(2);
    boolean copies = mu == 1;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float next = Math.fma(-eta, gi, keep * pi);
      float ai = ax[i];
      p[i] = next;
      ax[i] = copies ? next : Math.fma(mu, next - ai, ai);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] ax = block.state(0);
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
    double eta = block.scalar(0);
    double keep = block.scalar(1);
    double mu = block.scalar(2);
    boolean copies = mu == 1;
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double next = Math.fma(-eta, gi, keep * pi);
      double ai = ax[i];
      p[i] = next;
      ax[i] = copies ? next : Math.fma(mu, next - ai, ai);
    }
  }
}
