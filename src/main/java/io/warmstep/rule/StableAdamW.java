package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * StableAdamW (Wortsman et al. 2023, arXiv 2304.13013), as optimi computes it: AdamW whose rate is
 * reduced for tensors with gradients larger than the second moment predicts, instead of clipping.
 * At step t, with {@code b = 1 - (1 - beta) / (1 - beta^t)}, which includes the bias correction of
 * the moments:
 *
 * <pre>
 * m = b1 * m + (1 - b1) * g
 * v = b2 * v + (1 - b2) * g * g
 * rms = sqrt(mean(g * g / max(v, eps * eps)))   (over the tensor)
 * eta = lr / max(1, rms)
 * p = p * (1 - eta * weightDecay)
 * p = p - eta * m / (sqrt(v) + eps)
 * </pre>
 *
 * <p>With a {@link #decoupleLr reference rate} the decay is {@code eta / maxLr * weightDecay}.
 *
 * <p>State: {@code exp_avg} and {@code exp_avg_sq}.
 */
public final class StableAdamW extends ConfiguredRule<StableAdamW.Settings, StableAdamW> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "keptOfFirst",
          "oneMinusKeptOfFirst",
          "keptOfSecond",
          "oneMinusKeptOfSecond",
          "eps",
          "decay");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_sq"));

  private static final TensorSums SUMS = new Sums();

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root, at least 0
   * @param weightDecay at least 0
   * @param decoupleLr whether the decay is scaled by the rate over maxLr
   * @param maxLr the reference rate; above 0 with decoupleLr
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean decoupleLr,
      double maxLr) {
    Settings {
      Hyperparameters.requireDecayRate("stableadamw", "beta1", beta1);
      Hyperparameters.requireDecayRate("stableadamw", "beta2", beta2);
      Hyperparameters.requireEps("stableadamw", eps);
      Hyperparameters.requireWeightDecay("stableadamw", weightDecay);
      Hyperparameters.require(
          maxLr <= Double.MAX_VALUE && (decoupleLr ? maxLr > 0 : maxLr >= 0),
          "stableadamw",
          "maxLr",
          maxLr,
          "finite, and above 0 with decoupleLr",
          "pass the highest learning rate of the run");
    }
  }

  private StableAdamW(Settings settings) {
    super(settings);
  }

  @Override
  StableAdamW copy(Settings settings) {
    return new StableAdamW(settings);
  }

  /**
   * optimi's defaults: betas 0.9 and 0.99, eps 1e-6, weight decay 0.01.
   *
   * @return the rule
   */
  public static StableAdamW stableAdamW() {
    return new StableAdamW(new Settings(0.9, 0.99, 1e-6, 0.01, false, 0));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public StableAdamW betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public StableAdamW eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public StableAdamW weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy whose weight decay is scaled by the learning rate over a reference rate.
   *
   * @param maxLr the highest learning rate of the run, above 0
   * @return a copy
   */
  public StableAdamW decoupleLr(double maxLr) {
    return with(Map.of("decoupleLr", true, "maxLr", maxLr));
  }

  @Override
  public String name() {
    return "stableadamw";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public boolean maximize() {
    return false;
  }

  /** None: the rule applies its own weight decay. */
  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
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
    double weightDecay = at.get("weightDecay", settings.weightDecay);
    double fresh1 = (1.0 - beta1) / (1.0 - Powers.power(beta1, at.step()));
    double fresh2 = (1.0 - beta2) / (1.0 - Powers.power(beta2, at.step()));
    out[0] = at.learningRate();
    out[1] = 1.0 - fresh1;
    out[2] = fresh1;
    out[3] = 1.0 - fresh2;
    out[4] = fresh2;
    out[5] = settings.eps;
    out[6] = settings.decoupleLr ? weightDecay / settings.maxLr : weightDecay;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  private static final class Sums implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM);
    private static final Access SUMMING = new Access(Access.GRADIENT | Access.state(1), 0);
    private static final Access UPDATING = Access.ALL;

    @Override
    public List<Kind> kinds() {
      return KINDS;
    }

    @Override
    public Access summing() {
      return SUMMING;
    }

    @Override
    public Access updating() {
      return UPDATING;
    }

    @Override
    public List<String> numberNames() {
      return List.of("stepSize", "keep");
    }

    @Override
    public void sum(FloatBlock block) {
      float[] g = block.gradients();
      float[] v = block.state(1);
      float[] ratios = block.terms(0);
      float scale = block.gradientScale();
      float beta2 = block.scalar(3);
      float fresh2 = block.scalar(4);
      float eps = block.scalar(5);
      for (int i = block.start(), end = block.end(); i < end; i++) {
        float gi = scale * g[i];
        float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
        ratios[i] = gi / Math.max((float) Math.sqrt(vi), eps);
      }
    }

    @Override
    public void sum(DoubleBlock block) {
      double[] g = block.gradients();
      double[] v = block.state(1);
      double[] ratios = block.terms(0);
      double scale = block.gradientScale();
      double beta2 = block.scalar(3);
      double fresh2 = block.scalar(4);
      double eps = block.scalar(5);
      for (int i = block.start(), end = block.end(); i < end; i++) {
        double gi = scale * g[i];
        double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
        ratios[i] = gi / Math.max(Math.sqrt(vi), eps);
      }
    }

    @Override
    public void numbers(FloatSums tensor) {
      float rms = tensor.sum(0) / (float) Math.sqrt(tensor.count());
      float stepSize = tensor.scalar(0) / Math.max(1f, rms);
      tensor.number(0, stepSize);
      tensor.number(1, Math.fma(-stepSize, tensor.scalar(6), 1f));
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double rms = tensor.sum(0) / Math.sqrt(tensor.count());
      double stepSize = tensor.scalar(0) / Math.max(1.0, rms);
      tensor.number(0, stepSize);
      tensor.number(1, Math.fma(-stepSize, tensor.scalar(6), 1.0));
    }
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float scale = block.gradientScale();
    float beta1 = block.scalar(1);
    float fresh1 = block.scalar(2);
    float beta2 = block.scalar(3);
    float fresh2 = block.scalar(4);
    float eps = block.scalar(5);
    float stepSize = block.number(0);
    float keep = block.number(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float gi = scale * g[i];
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      p[i] = Math.fma(-stepSize, mi / ((float) Math.sqrt(vi) + eps), keep * p[i]);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double scale = block.gradientScale();
    double beta1 = block.scalar(1);
    double fresh1 = block.scalar(2);
    double beta2 = block.scalar(3);
    double fresh2 = block.scalar(4);
    double eps = block.scalar(5);
    double stepSize = block.number(0);
    double keep = block.number(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double gi = scale * g[i];
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      p[i] = Math.fma(-stepSize, mi / (Math.sqrt(vi) + eps), keep * p[i]);
    }
  }
}
