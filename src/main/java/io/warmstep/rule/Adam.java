package io.warmstep.rule;

import io.warmstep.check.Arguments;
import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Adam (Kingma and Ba 2015); with decoupled weight decay, AdamW (Loshchilov and Hutter 2019); with
 * the running maximum, AMSGrad (Reddi, Kale and Kumar 2018), as {@code torch.optim.Adam} and {@code
 * AdamW} compute them. At step t:
 *
 * <pre>
 * g = g + weightDecay * p                       (L2)
 * p = p * (1 - lr * weightDecay)                (decoupled)
 * m = beta1 * m + (1 - beta1) * g
 * v = beta2 * v + (1 - beta2) * g * g
 * u = max(u, v)                                 (AMSGrad; otherwise u = v)
 * p = p - lr / (1 - beta1^t) * m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
 * </pre>
 *
 * <p>AdamW can be cautious (Liang et al. 2024, arXiv 2411.16085), as {@code timm} computes it: in
 * the last line, where m and g differ in sign, m is replaced by 0; elsewhere it is divided by the
 * fraction of the tensor's elements that agree (at least 0.001). A NaN element then makes its whole
 * tensor NaN. timm's {@code corrected_weight_decay} is no option here: it only changes the weight
 * decay by the learning rate, as a schedule of {@code weightDecay} does.
 *
 * <p>State: {@code exp_avg}, {@code exp_avg_sq}, and {@code max_exp_avg_sq} with AMSGrad.
 */
public final class Adam extends ConfiguredRule<Adam.Settings, Adam> {
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
  private static final List<StateSlot> AMSGRAD_SLOTS =
      List.of(SLOTS.get(0), SLOTS.get(1), StateSlot.square("max_exp_avg_sq"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the second moment, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay at least 0
   * @param decoupled whether weight decay shrinks the parameter (AdamW) rather than being added to
   *     the gradient
   * @param amsgrad whether the second moment's running maximum is used
   * @param caution whether to update only elements whose gradient agrees in sign
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean decoupled,
      boolean amsgrad,
      boolean caution,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("adam", "beta1", beta1);
      Hyperparameters.requireDecayRate("adam", "beta2", beta2);
      Hyperparameters.requireEps("adam", eps);
      Hyperparameters.requireWeightDecay("adam", weightDecay);
      if (caution && !decoupled) {
        throw Arguments.refusal(
            "adam: caution",
            true,
            "false with weight decay in the gradient, whose sign it compares",
            "use Adam.adamW()");
      }
    }
  }

  private Adam(Settings settings) {
    super(settings);
  }

  @Override
  Adam copy(Settings settings) {
    return new Adam(settings);
  }

  /**
   * PyTorch's defaults of Adam: betas 0.9 and 0.999, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static Adam adam() {
    return new Adam(new Settings(0.9, 0.999, 1e-8, 0, false, false, false, false));
  }

  /**
   * PyTorch's defaults of AdamW: those of Adam with a decoupled weight decay of 0.01.
   *
   * @return the rule
   */
  public static Adam adamW() {
    return adam().with(Map.of("weightDecay", 0.01, "decoupled", true));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public Adam betas(double beta1, double beta2) {
    return with("beta1", beta1).with("beta2", beta2);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public Adam eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Adam weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with or without AMSGrad.
   *
   * @param amsgrad whether the second moment's running maximum is used
   * @return a copy
   */
  public Adam amsgrad(boolean amsgrad) {
    return with("amsgrad", amsgrad);
  }

  /**
   * Returns a copy with or without caution. For AdamW.
   *
   * @param caution whether to update only elements whose gradient agrees in sign with the first
   *     moment
   * @return a copy
   */
  public Adam caution(boolean caution) {
    return with("caution", caution);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize true to ascend
   * @return a copy
   */
  public Adam maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adam";
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
    return settings.amsgrad ? AMSGRAD_SLOTS : SLOTS;
  }

  @Override
  public double coupledWeightDecay(StepValues at) {
    return settings.decoupled ? 0 : weightDecay(at);
  }

  @Override
  public int options() {
    return settings.amsgrad ? 1 : 0;
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

  private double weightDecay(StepValues at) {
    return at.get("weightDecay", settings.weightDecay);
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta1 = at.get("beta1", settings.beta1);
    double beta2 = at.get("beta2", settings.beta2);
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step()));
    out[1] = settings.decoupled ? 1.0 - at.learningRate() * weightDecay(at) : 1.0;
    out[2] = beta1;
    out[3] = 1.0 - beta1;
    out[4] = beta2;
    out[5] = 1.0 - beta2;
    int rest = settings.caution ? CautiousAdam.mask(false, out) : 6;
    out[rest++] = 1.0 / Math.sqrt(1.0 - Powers.power(beta2, at.step()));
    out[rest] = settings.eps;
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
    float[] v = block.state(1);
    boolean takesMaximum = settings.amsgrad;
    float[] u = takesMaximum ? block.state(2) : v;
    float scale = block.gradientScale();
    float weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
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
      float gi = FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      float vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      if (takesMaximum) {
        vi = Math.max(u[i], vi);
        u[i] = vi;
      }
      float denominator = Math.fma((float) Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
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
    double[] v = block.state(1);
    boolean takesMaximum = settings.amsgrad;
    double[] u = takesMaximum ? block.state(2) : v;
    double scale = block.gradientScale();
    double weightDecay = block.weightDecay();
    boolean decays = weightDecay != 0;
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
      double gi = DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      double vi = Math.fma(beta2, v[i], (fresh2 * gi) * gi);
      m[i] = mi;
      v[i] = vi;
      if (takesMaximum) {
        vi = Math.max(u[i], vi);
        u[i] = vi;
      }
      double denominator = Math.fma(Math.sqrt(vi), rootScale, eps);
      p[i] = Math.fma(-stepSize, mi / denominator, keep * pi);
    }
  }

  private void updateCautiously(FloatBlock block) {
    if (settings.amsgrad) {
      CautiousAdam.updateByMaximum(block);
    } else {
      CautiousAdam.update(block, false);
    }
  }

  private void updateCautiously(DoubleBlock block) {
    if (settings.amsgrad) {
      CautiousAdam.updateByMaximum(block);
    } else {
      CautiousAdam.update(block, false);
    }
  }
}
