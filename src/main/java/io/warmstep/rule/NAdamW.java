package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * AdamW with a look ahead by Nesterov's momentum (Dozat 2016; in this form Choi et al. 2019, table
 * 1), as {@code timm.optim.NAdamW} computes it. It is not {@code torch.optim.NAdam}, whose momentum
 * changes from step to step. At step t:
 *
 * <pre>
 * p = p * (1 - lr * weightDecay)
 * m = beta1 * m + (1 - beta1) * g
 * v = beta2 * v + (1 - beta2) * g * g
 * n = beta1 * m + (1 - beta1) * g
 * p = p - lr / (1 - beta1^t) * n / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 * </pre>
 *
 * <p>It can be cautious (Liang et al. 2024, arXiv 2411.16085), as in {@code timm}: in the last
 * line, where n and g differ in sign, n is replaced by 0; elsewhere it is divided by the fraction
 * of the tensor's elements that agree (at least 0.001). A NaN element then makes its whole tensor
 * NaN. timm's {@code corrected_weight_decay} is no option here: it only changes the weight decay by
 * the learning rate, as a schedule of {@code weightDecay} does.
 *
 * <p>State: {@code exp_avg}, {@code exp_avg_sq}.
 */
public final class NAdamW extends ConfiguredRule<NAdamW.Settings, NAdamW> {
  private static final List<String> SCALARS =
      List.of(
          "stepSize",
          "parameterScale",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "rootScale",
          "eps");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_sq"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay decoupled weight decay, at least 0
   * @param caution whether to update only elements whose gradient agrees in sign
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean caution,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("nadamw", "beta1", beta1);
      Hyperparameters.requireDecayRate("nadamw", "beta2", beta2);
      Hyperparameters.requireEps("nadamw", eps);
      Hyperparameters.requireWeightDecay("nadamw", weightDecay);
    }
  }

  private NAdamW(Settings settings) {
    super(settings);
  }

  @Override
  NAdamW copy(Settings settings) {
    return new NAdamW(settings);
  }

  /**
   * timm's defaults: betas 0.9 and 0.999, eps 1e-8, a decoupled weight decay of 0.01.
   *
   * @return the rule
   */
  public static NAdamW nAdamW() {
    return new NAdamW(new Settings(0.9, 0.999, 1e-8, 0.01, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public NAdamW betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root after bias correction, at least 0
   * @return a copy
   */
  public NAdamW eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public NAdamW weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with or without caution.
   *
   * @param caution whether to update only elements whose gradient agrees in sign with the look
   *     ahead
   * @return a copy
   */
  public NAdamW caution(boolean caution) {
    return with("caution", caution);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public NAdamW maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "nadamw";
  }

  @Override
  public String kernel() {
    return settings.caution ? CautiousAdam.KERNEL : name();
  }

  @Override
  public Optional<TensorSums> sums() {
    return settings.caution ? Optional.of(CautiousAdam.SUMS) : Optional.empty();
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
    return settings.caution ? CautiousAdam.SCALARS : SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta1 = at.get("beta1", settings.beta1);
    double beta2 = at.get("beta2", settings.beta2);
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step()));
    out[1] = 1.0 - at.learningRate() * at.get("weightDecay", settings.weightDecay);
    out[2] = beta1;
    out[3] = 1.0 - beta1;
    out[4] = beta2;
    out[5] = 1.0 - beta2;
    int rest = settings.caution ? CautiousAdam.mask(true, out) : 6;
    out[rest++] = 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step()));
    out[rest] = settings.eps;
  }

  @Override
  public void update(FloatBlock block) {
    if (settings.caution) {
      CautiousAdam.update(block, true);
      return;
    }
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float scale = block.gradientScale();
    float stepSize = block.scalar(0);
    float keep = block.scalar(1);
    float beta1 = block.scalar(2);
    float fresh1 = block.scalar(3);
    float beta2 = block.scalar(4);
    float fresh2 = block.scalar(5);
    float rootScale = block.scalar(6);
    float eps = block.scalar(7);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = scale * g[i];
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      float ahead = Math.fma(beta1, mi, fresh1 * gi);
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, ahead / denominator, keep * pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    if (settings.caution) {
      CautiousAdam.update(block, true);
      return;
    }
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double scale = block.gradientScale();
    double stepSize = block.scalar(0);
    double keep = block.scalar(1);
    double beta1 = block.scalar(2);
    double fresh1 = block.scalar(3);
    double beta2 = block.scalar(4);
    double fresh2 = block.scalar(5);
    double rootScale = block.scalar(6);
    double eps = block.scalar(7);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = scale * g[i];
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      double ahead = Math.fma(beta1, mi, fresh1 * gi);
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, ahead / denominator, keep * pi);
    }
  }
}
