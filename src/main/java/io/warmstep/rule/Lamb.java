package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * LAMB (You et al. 2020, arXiv 1904.00962), as timm and NVIDIA's {@code FusedLAMB} compute it: Adam
 * with decoupled weight decay, whose update of each tensor is scaled by the ratio of the tensor's
 * norm to its own. For training with large batches. At step t, with G the norm of all gradients:
 *
 * <pre>
 * g = g / max(1, G / maxGradNorm)               (not if that is 0)
 * m = beta1 * m + c * g                         (c = 1 - beta1, or 1 without gradAveraging)
 * v = beta2 * v + (1 - beta2) * g * g
 * u = m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + eps) + weightDecay * p
 * p = p - lr * |p| / |u| * u
 * </pre>
 *
 * <p>The norms are per tensor. The ratio is 1 where one of them is 0 and, unless {@link
 * #alwaysAdapt} is set, without weight decay; with {@link #trustClip} it is at most 1. Without
 * {@link #biasCorrection} both divisors are 1.
 *
 * <p>Three options of timm's are left out: {@code caution}, since the norm of the masked update
 * would first need the mean of the mask, which takes another phase; {@code decoupled_decay}, since
 * decay outside the ratio of norms is no longer the paper's or NVIDIA's LAMB; and {@code
 * corrected_weight_decay}, which only changes the weight decay by the learning rate, as a schedule
 * of {@code weightDecay} does.
 *
 * <p>State: {@code exp_avg} and {@code exp_avg_sq}.
 */
public final class Lamb extends ConfiguredRule<Lamb.Settings, Lamb> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "beta1",
          "gradientFactor",
          "beta2",
          "oneMinusBeta2",
          "momentScale",
          "rootScale",
          "eps",
          "weightDecay",
          "adapts",
          "clips");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.square("exp_avg_sq"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay at least 0
   * @param biasCorrection whether the moments are corrected for having started at 0
   * @param gradAveraging whether a gradient enters the first moment times 1 - beta1
   * @param maxGradNorm maximum global gradient norm, 0 for none
   * @param trustClip whether the ratio of norms is at most 1
   * @param alwaysAdapt whether the ratio of norms applies without weight decay too
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean biasCorrection,
      boolean gradAveraging,
      double maxGradNorm,
      boolean trustClip,
      boolean alwaysAdapt) {
    Settings {
      Hyperparameters.requireDecayRate("lamb", "beta1", beta1);
      Hyperparameters.requireDecayRate("lamb", "beta2", beta2);
      Hyperparameters.requireEps("lamb", eps);
      Hyperparameters.requireWeightDecay("lamb", weightDecay);
      Hyperparameters.requireMaxGradNorm("lamb", maxGradNorm);
    }
  }

  private Lamb(Settings settings) {
    super(settings);
  }

  @Override
  Lamb copy(Settings settings) {
    return new Lamb(settings);
  }

  /**
   * timm's defaults: betas 0.9 and 0.999, eps 1e-6, weight decay 0.01, gradients clipped to a
   * global norm of 1.
   *
   * @return the rule
   */
  public static Lamb lamb() {
    return new Lamb(new Settings(0.9, 0.999, 1e-6, 0.01, true, true, 1, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public Lamb betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public Lamb eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Lamb weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with or without bias correction of the moments.
   *
   * @param biasCorrection whether the moments are corrected for having started at 0
   * @return a copy
   */
  public Lamb biasCorrection(boolean biasCorrection) {
    return with("biasCorrection", biasCorrection);
  }

  /**
   * Returns a copy whose first moment is an average of gradients, or a sum.
   *
   * @param gradAveraging whether a gradient enters it times 1 - beta1
   * @return a copy
   */
  public Lamb gradAveraging(boolean gradAveraging) {
    return with("gradAveraging", gradAveraging);
  }

  /**
   * Returns a copy with another maximum global gradient norm. An optimizer with its own {@code
   * clipNorm} uses that instead.
   *
   * @param maxGradNorm above 0, or 0 for none
   * @return a copy
   */
  public Lamb maxGradNorm(double maxGradNorm) {
    return with("maxGradNorm", maxGradNorm);
  }

  /**
   * Returns a copy with or without a bound on the ratio of norms.
   *
   * @param trustClip whether it is at most 1
   * @return a copy
   */
  public Lamb trustClip(boolean trustClip) {
    return with("trustClip", trustClip);
  }

  /**
   * Returns a copy that applies the ratio of norms without weight decay too, or does not.
   *
   * @param alwaysAdapt whether it applies there too
   * @return a copy
   */
  public Lamb alwaysAdapt(boolean alwaysAdapt) {
    return with("alwaysAdapt", alwaysAdapt);
  }

  @Override
  public String name() {
    return "lamb";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public boolean maximize() {
    return false;
  }

  /** None: the decay is added to the update, not to the gradient. */
  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
  }

  @Override
  public double clipNorm() {
    return settings.maxGradNorm;
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
    boolean corrects = settings.biasCorrection;
    out[0] = at.learningRate();
    out[1] = beta1;
    out[2] = settings.gradAveraging ? 1.0 - beta1 : 1.0;
    out[3] = beta2;
    out[4] = 1.0 - beta2;
    out[5] = corrects ? 1.0 / (1.0 - Powers.power(beta1, at.step())) : 1.0;
    out[6] = corrects ? 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step())) : 1.0;
    out[7] = settings.eps;
    out[8] = weightDecay;
    out[9] = weightDecay != 0 || settings.alwaysAdapt ? 1 : 0;
    out[10] = settings.trustClip ? 1 : 0;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(NORMS);
  }

  private static final TensorSums NORMS = new Norms();

  /** The norms of the parameters and of the update. */
  private static final class Norms implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM, Kind.NORM);
    private static final int MOMENTS = Access.state(0) | Access.state(1);
    private static final Access SUMMING =
        new Access(Access.PARAMETER | Access.GRADIENT | MOMENTS, MOMENTS);
    private static final Access UPDATING = new Access(Access.PARAMETER | MOMENTS, Access.PARAMETER);

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
      return List.of("stepSize");
    }

    @Override
    public void sum(FloatBlock block) {
      float[] p = block.parameters();
      float[] g = block.gradients();
      float[] m = block.state(0);
      float[] v = block.state(1);
      block.terms(0, p);
      float[] updates = block.terms(1);
      float scale = block.gradientScale();
      float beta1 = block.scalar(1);
      float fresh1 = block.scalar(2);
      float beta2 = block.scalar(3);
      float fresh2 = block.scalar(4);
      float momentScale = block.scalar(5);
      float rootScale = block.scalar(6);
      float eps = block.scalar(7);
      float weightDecay = block.scalar(8);
      boolean decays = weightDecay != 0;
      boolean moves = !block.hasMoved();
      for (int i = block.start(), end = block.end(); i < end; i++) {
        float pi = p[i];
        float gi = scale * g[i];
        float mi = moves ? Math.fma(beta1, m[i], fresh1 * gi) : m[i];
        float vi = moves ? Math.fma(beta2, v[i], (fresh2 * gi) * gi) : v[i];
        m[i] = mi;
        v[i] = vi;
        float ui = (momentScale * mi) / Math.fma((float) Math.sqrt(vi), rootScale, eps);
        updates[i] = decays ? Math.fma(weightDecay, pi, ui) : ui;
      }
    }

    @Override
    public void sum(DoubleBlock block) {
      double[] p = block.parameters();
      double[] g = block.gradients();
      double[] m = block.state(0);
      double[] v = block.state(1);
      block.terms(0, p);
      double[] updates = block.terms(1);
      double scale = block.gradientScale();
      double beta1 = block.scalar(1);
      double fresh1 = block.scalar(2);
      double beta2 = block.scalar(3);
      double fresh2 = block.scalar(4);
      double momentScale = block.scalar(5);
      double rootScale = block.scalar(6);
      double eps = block.scalar(7);
      double weightDecay = block.scalar(8);
      boolean decays = weightDecay != 0;
      boolean moves = !block.hasMoved();
      for (int i = block.start(), end = block.end(); i < end; i++) {
        double pi = p[i];
        double gi = scale * g[i];
        double mi = moves ? Math.fma(beta1, m[i], fresh1 * gi) : m[i];
        double vi = moves ? Math.fma(beta2, v[i], (fresh2 * gi) * gi) : v[i];
        m[i] = mi;
        v[i] = vi;
        double ui = (momentScale * mi) / Math.fma(Math.sqrt(vi), rootScale, eps);
        updates[i] = decays ? Math.fma(weightDecay, pi, ui) : ui;
      }
    }

    @Override
    public void numbers(FloatSums tensor) {
      float values = tensor.sum(0);
      float updates = tensor.sum(1);
      float ratio = values > 0 && updates > 0 ? values / updates : 1f;
      ratio = tensor.scalar(9) != 0 ? ratio : 1f;
      ratio = tensor.scalar(10) != 0 ? Math.min(ratio, 1f) : ratio;
      tensor.number(0, tensor.scalar(0) * ratio);
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double values = tensor.sum(0);
      double updates = tensor.sum(1);
      double ratio = values > 0 && updates > 0 ? values / updates : 1.0;
      ratio = tensor.scalar(9) != 0 ? ratio : 1.0;
      ratio = tensor.scalar(10) != 0 ? Math.min(ratio, 1.0) : ratio;
      tensor.number(0, tensor.scalar(0) * ratio);
    }
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] m = block.state(0);
    float[] v = block.state(1);
    float momentScale = block.scalar(5);
    float rootScale = block.scalar(6);
    float eps = block.scalar(7);
    float weightDecay = block.scalar(8);
    boolean decays = weightDecay != 0;
    float stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float ui = (momentScale * m[i]) / Math.fma((float) Math.sqrt(v[i]), rootScale, eps);
      p[i] = Math.fma(-stepSize, decays ? Math.fma(weightDecay, pi, ui) : ui, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] m = block.state(0);
    double[] v = block.state(1);
    double momentScale = block.scalar(5);
    double rootScale = block.scalar(6);
    double eps = block.scalar(7);
    double weightDecay = block.scalar(8);
    boolean decays = weightDecay != 0;
    double stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double ui = (momentScale * m[i]) / Math.fma(Math.sqrt(v[i]), rootScale, eps);
      p[i] = Math.fma(-stepSize, decays ? Math.fma(weightDecay, pi, ui) : ui, pi);
    }
  }
}
