package io.warmstep.rule;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Prodigy (Mishchenko and Defazio 2023, arXiv 2306.06101), as the authors' {@code prodigyopt}
 * computes it: Adam that finds its own step size d while it trains, so that the learning rate stays
 * at 1 and a schedule only shapes it. Everything with d is per group, summed over all of its
 * parameters; at step t, with d = dMax = d0 at the start and p0 the parameters before the first
 * step:
 *
 * <pre>
 * e   = lr * sqrt(1 - beta2^t) / (1 - beta1^t)        (useBiasCorrection; otherwise e = lr)
 * g   = g + weightDecay * p                           (decouple false)
 * m   = beta1 * m + d * (1 - beta1) * g
 * v   = beta2 * v + d^2 * (1 - beta2) * g * g
 * s   = beta3 * s + d / d0 * d * e * g                (d / d0 * d * g with safeguardWarmup)
 * num = beta3 * num + d / d0 * d * e * sum(g * (p0 - p))
 * h   = dCoef * num / sum(|s|)
 * dMax = max(dMax, h)
 * d'  = min(dMax, growthRate * (d = d0 ? max(d, h) : d))
 * p   = (1 - d * e * weightDecay) * p - d * e * m / (sqrt(v) + d' * eps)
 * d   = d'
 * </pre>
 *
 * <p>As long as all gradients have been 0, steps have no effect: t, num and d stay. (This t is the
 * one in {@code bias_correction1} and {@code bias_correction2}, which are {@code 1 - beta^t}.) At a
 * learning rate of 0 the reference skips the whole step; here the moments move as under every rule.
 * The reference has one d for all groups, with the options of the first; here each group has its
 * own.
 *
 * <p>{@code p0 - p} cancels: with d0 1e-6, about one digit of it remains in float32 in the first
 * steps.
 *
 * <p>State: {@code exp_avg}, {@code exp_avg_sq}, {@code s} and {@code p0}; per group {@code d},
 * {@code d_max}, {@code d_numerator} and, with bias correction, {@code bias_correction1} and {@code
 * bias_correction2}. All parameters of a group must share one type.
 */
public final class Prodigy extends ConfiguredRule<Prodigy.Settings, Prodigy> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "beta3",
          "d0",
          "dCoef",
          "growth",
          "eps",
          "weightDecay",
          "corrects",
          "safeguards");

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param beta3 decay of the averages that d is estimated from, in [0, 1); 0 for the root of beta2
   * @param eps added to the root, times d, at least 0
   * @param weightDecay at least 0
   * @param decouple whether it shrinks the parameter rather than being added to the gradient
   * @param useBiasCorrection whether steps are corrected for moments that started at 0
   * @param safeguardWarmup whether the learning rate is left out of the denominator of d
   * @param d0 the initial d, above 0
   * @param dCoef factor on the estimate, above 0
   * @param growthRate maximum factor by which d grows in a step, at least 1; 0 for no limit
   */
  record Settings(
      double beta1,
      double beta2,
      double beta3,
      double eps,
      double weightDecay,
      boolean decouple,
      boolean useBiasCorrection,
      boolean safeguardWarmup,
      double d0,
      double dCoef,
      double growthRate) {
    Settings {
      Hyperparameters.requireDecayRate("prodigy", "beta1", beta1);
      Hyperparameters.requireDecayRate("prodigy", "beta2", beta2);
      Hyperparameters.requireDecayRate("prodigy", "beta3", beta3);
      Hyperparameters.requireEps("prodigy", eps);
      Hyperparameters.requireWeightDecay("prodigy", weightDecay);
      requirePositive("d0", d0, "pass a small number such as 1e-6");
      requirePositive("dCoef", dCoef, "pass 1, or less for smaller steps");
      Hyperparameters.require(
          growthRate == 0 || (growthRate >= 1 && growthRate <= Double.MAX_VALUE),
          "prodigy",
          "growthRate",
          growthRate,
          "at least 1 and finite, or 0",
          "pass 0 for no limit");
    }

    private static void requirePositive(String name, double value, String advice) {
      Hyperparameters.require(
          value > 0 && value <= Double.MAX_VALUE,
          "prodigy",
          name,
          value,
          "above 0 and finite",
          advice);
    }
  }

  private static final TensorSums SUMS = new ProdigySums();

  private final List<StateSlot> slots;

  private Prodigy(Settings settings) {
    super(settings);
    List<StateSlot> all = new ArrayList<>();
    all.add(StateSlot.moment("exp_avg"));
    all.add(StateSlot.square("exp_avg_sq"));
    all.add(StateSlot.moment("s"));
    all.add(StateSlot.copyOfParameter("p0"));
    all.add(StateSlot.ofGroup("d", settings.d0));
    all.add(StateSlot.ofGroup("d_max", settings.d0));
    all.add(StateSlot.ofGroup("d_numerator", 0));
    if (settings.useBiasCorrection) {
      all.add(StateSlot.ofGroup("bias_correction1", 0));
      all.add(StateSlot.ofGroup("bias_correction2", 0));
    }
    slots = List.copyOf(all);
  }

  @Override
  Prodigy copy(Settings settings) {
    return new Prodigy(settings);
  }

  /**
   * The authors' defaults: betas 0.9 and 0.999, eps 1e-8, no weight decay, d0 1e-6. Use it with a
   * learning rate of 1.
   *
   * @return the rule
   */
  public static Prodigy prodigy() {
    return new Prodigy(new Settings(0.9, 0.999, 0, 1e-8, 0, true, false, false, 1e-6, 1, 0));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public Prodigy betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another decay rate for the averages that d is estimated from.
   *
   * @param beta3 in [0, 1); 0 for the root of beta2
   * @return a copy
   */
  public Prodigy beta3(double beta3) {
    return with("beta3", beta3);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public Prodigy eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Prodigy weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with weight decay that shrinks parameters, or is added to the gradient.
   *
   * @param decouple whether it shrinks them
   * @return a copy
   */
  public Prodigy decouple(boolean decouple) {
    return with("decouple", decouple);
  }

  /**
   * Returns a copy with or without bias correction of the moments.
   *
   * @param useBiasCorrection whether steps are corrected for moments that started at 0
   * @return a copy
   */
  public Prodigy useBiasCorrection(boolean useBiasCorrection) {
    return with("useBiasCorrection", useBiasCorrection);
  }

  /**
   * Returns a copy with or without the safeguard for a long warm-up, during which small learning
   * rates would let d grow too far.
   *
   * @param safeguardWarmup whether the learning rate is left out of the denominator of d
   * @return a copy
   */
  public Prodigy safeguardWarmup(boolean safeguardWarmup) {
    return with("safeguardWarmup", safeguardWarmup);
  }

  /**
   * Returns a copy with another initial d.
   *
   * @param d0 above 0
   * @return a copy
   */
  public Prodigy d0(double d0) {
    return with("d0", d0);
  }

  /**
   * Returns a copy with another factor on the estimate of d, the one number to tune.
   *
   * @param dCoef above 0; the authors suggest 0.5 to 2
   * @return a copy
   */
  public Prodigy dCoef(double dCoef) {
    return with("dCoef", dCoef);
  }

  /**
   * Returns a copy with a bound on the growth of d.
   *
   * @param growthRate maximum factor by which d grows in a step, at least 1; 0 for no limit
   * @return a copy
   */
  public Prodigy growthRate(double growthRate) {
    return with("growthRate", growthRate);
  }

  @Override
  public String name() {
    return "prodigy";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return slots;
  }

  @Override
  public boolean maximize() {
    return false;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return settings.decouple ? 0 : at.get("weightDecay", settings.weightDecay);
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
    out[0] = at.learningRate();
    out[1] = beta1;
    out[2] = 1.0 - beta1;
    out[3] = beta2;
    out[4] = 1.0 - beta2;
    out[5] = settings.beta3 == 0 ? Math.sqrt(beta2) : settings.beta3;
    out[6] = settings.d0;
    out[7] = settings.dCoef;
    out[8] = settings.growthRate - 1.0; // for growth by 2 percent, with more digits than 1.02
    out[9] = settings.eps;
    out[10] = settings.decouple ? at.get("weightDecay", settings.weightDecay) : 0;
    out[11] = settings.useBiasCorrection ? 1 : 0;
    out[12] = settings.safeguardWarmup ? 1 : 0;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float stepSize = block.number(0);
    float eps = block.number(1);
    float keep = block.number(2);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-stepSize, m[i] / ((float) Math.sqrt(v[i]) + eps), keep * p[i]);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double stepSize = block.number(0);
    double eps = block.number(1);
    double keep = block.number(2);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-stepSize, m[i] / (Math.sqrt(v[i]) + eps), keep * p[i]);
    }
  }
}
