package io.warmstep.rule;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * NovoGrad (Ginsburg et al. 2019, arXiv 1905.11286), as timm and NVIDIA's {@code FusedNovoGrad}
 * compute it: gradients divided by a running average of each tensor's gradient norm, which takes
 * only one number per tensor:
 *
 * <pre>
 * v = |g|^2                                     (while v is 0)
 * v = beta2 * v + (1 - beta2) * |g|^2           (later)
 * u = max(u, v)                                 (AMSGrad; otherwise u = v)
 * g = g / (sqrt(u) + eps) + weightDecay * p
 * m = beta1 * m + c * g                         (c = 1, or 1 - beta1 with gradAveraging)
 * p = p - lr * m
 * </pre>
 *
 * <p>State: {@code exp_avg}; and, one value per parameter, {@code exp_avg_sq}, and {@code
 * max_exp_avg_sq} with AMSGrad.
 */
public final class NovoGrad extends ConfiguredRule<NovoGrad.Settings, NovoGrad> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "beta1",
          "gradientFactor",
          "beta2",
          "oneMinusBeta2",
          "eps",
          "weightDecay",
          "takesMaximum");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("exp_avg"), StateSlot.ofTensor("exp_avg_sq"));
  private static final List<StateSlot> AMSGRAD_SLOTS =
      List.of(SLOTS.get(0), SLOTS.get(1), StateSlot.ofTensor("max_exp_avg_sq"));

  private static final TensorSums SUMS = new Sums();

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the first moment, in [0, 1)
   * @param beta2 decay of the norms' squares, in [0, 1)
   * @param eps added to the root, at least 0
   * @param weightDecay at least 0
   * @param gradAveraging whether a gradient enters the first moment times 1 - beta1
   * @param amsgrad whether the running maximum of the norms' squares is used
   */
  record Settings(
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      boolean gradAveraging,
      boolean amsgrad) {
    Settings {
      Hyperparameters.requireDecayRate("novograd", "beta1", beta1);
      Hyperparameters.requireDecayRate("novograd", "beta2", beta2);
      Hyperparameters.requireEps("novograd", eps);
      Hyperparameters.requireWeightDecay("novograd", weightDecay);
    }
  }

  private NovoGrad(Settings settings) {
    super(settings);
  }

  @Override
  NovoGrad copy(Settings settings) {
    return new NovoGrad(settings);
  }

  /**
   * timm's defaults: betas 0.95 and 0.98, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static NovoGrad novoGrad() {
    return new NovoGrad(new Settings(0.95, 0.98, 1e-8, 0, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @return a copy
   */
  public NovoGrad betas(double beta1, double beta2) {
    return with(Map.of("beta1", beta1, "beta2", beta2));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public NovoGrad eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public NovoGrad weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy whose first moment is an average of gradients, or a sum.
   *
   * @param gradAveraging whether a gradient enters it times 1 - beta1
   * @return a copy
   */
  public NovoGrad gradAveraging(boolean gradAveraging) {
    return with("gradAveraging", gradAveraging);
  }

  /**
   * Returns a copy with or without AMSGrad.
   *
   * @param amsgrad whether the running maximum of the norms' squares is used
   * @return a copy
   */
  public NovoGrad amsgrad(boolean amsgrad) {
    return with("amsgrad", amsgrad);
  }

  @Override
  public String name() {
    return "novograd";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return settings.amsgrad ? AMSGRAD_SLOTS : SLOTS;
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
    out[0] = at.learningRate();
    out[1] = beta1;
    out[2] = settings.gradAveraging ? 1.0 - beta1 : 1.0;
    out[3] = beta2;
    out[4] = 1.0 - beta2;
    out[5] = settings.eps;
    out[6] = at.get("weightDecay", settings.weightDecay);
    out[7] = settings.amsgrad ? 1 : 0;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  private static final class Sums implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM);
    private static final Access SUMMING = new Access(Access.GRADIENT, 0);
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
      return List.of("divisor");
    }

    @Override
    public void sum(FloatBlock block) {
      ScaledGradients.sum(block, 0);
    }

    @Override
    public void sum(DoubleBlock block) {
      ScaledGradients.sum(block, 0);
    }

    @Override
    public void numbers(FloatSums tensor) {
      float square = tensor.sum(0) * tensor.sum(0);
      float v = tensor.kept(0);
      v = v == 0 ? square : Math.fma(tensor.scalar(3), v, tensor.scalar(4) * square);
      tensor.keep(0, v);
      if (tensor.scalar(7) != 0) {
        v = Math.max(tensor.kept(1), v);
        tensor.keep(1, v);
      }
      tensor.number(0, (float) Math.sqrt(v) + tensor.scalar(5));
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double square = tensor.sum(0) * tensor.sum(0);
      double v = tensor.kept(0);
      v = v == 0 ? square : Math.fma(tensor.scalar(3), v, tensor.scalar(4) * square);
      tensor.keep(0, v);
      if (tensor.scalar(7) != 0) {
        v = Math.max(tensor.kept(1), v);
        tensor.keep(1, v);
      }
      tensor.number(0, Math.sqrt(v) + tensor.scalar(5));
    }
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] m = block.state(0);
    float scale = block.gradientScale();
    float lr = block.scalar(0);
    float beta1 = block.scalar(1);
    float fresh1 = block.scalar(2);
    float weightDecay = block.scalar(6);
    boolean decays = weightDecay != 0;
    float divisor = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float gi = (scale * g[i]) / divisor;
      gi = decays ? Math.fma(weightDecay, pi, gi) : gi;
      float mi = Math.fma(beta1, m[i], fresh1 * gi);
      m[i] = mi;
      p[i] = Math.fma(-lr, mi, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] m = block.state(0);
    double scale = block.gradientScale();
    double lr = block.scalar(0);
    double beta1 = block.scalar(1);
    double fresh1 = block.scalar(2);
    double weightDecay = block.scalar(6);
    boolean decays = weightDecay != 0;
    double divisor = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double gi = (scale * g[i]) / divisor;
      gi = decays ? Math.fma(weightDecay, pi, gi) : gi;
      double mi = Math.fma(beta1, m[i], fresh1 * gi);
      m[i] = mi;
      p[i] = Math.fma(-lr, mi, pi);
    }
  }
}
