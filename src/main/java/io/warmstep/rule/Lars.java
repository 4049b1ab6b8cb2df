package io.warmstep.rule;

import java.util.List;
import java.util.Optional;

/**
 * LARS (You, Gitman and Ginsburg 2017, arXiv 1708.03888), as timm computes it: momentum whose
 * gradient is scaled, for each tensor, by the ratio of the tensor's norm to the gradient's. For
 * training with large batches:
 *
 * <pre>
 * ratio = trustCoeff * |p| / (|g| + weightDecay * |p| + eps)
 * g = ratio * (g + weightDecay * p)
 * b = momentum * b + (1 - dampening) * g        (at the first step b = g)
 * d = b, or g + momentum * b with Nesterov momentum
 * p = p - lr * d
 * </pre>
 *
 * <p>The ratio is 1 where one of the norms is 0 and, unless {@link #alwaysAdapt} is set, without
 * weight decay; with {@link #trustClip} (LARC) it is {@code min(ratio / lr, 1)}.
 *
 * <p>State: {@code momentum_buffer} if the momentum is above 0.
 */
public final class Lars extends ConfiguredRule<Lars.Settings, Lars> {
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "momentum",
          "oneMinusDampening",
          "weightDecay",
          "trustCoeff",
          "eps",
          "adapts",
          "clips");
  private static final List<StateSlot> SLOTS = List.of(StateSlot.moment("momentum_buffer"));

  private static final TensorSums SUMS = new Sums();

  /**
   * The hyperparameters.
   *
   * @param momentum in [0, 1)
   * @param dampening in [0, 1]; 0 with Nesterov momentum
   * @param nesterov whether to look ahead; needs a momentum above 0
   * @param weightDecay at least 0
   * @param trustCoeff factor of the ratio of norms, at least 0
   * @param eps added to the ratio's divisor, at least 0
   * @param trustClip whether the ratio is divided by the rate and then at most 1
   * @param alwaysAdapt whether the ratio applies without weight decay too
   */
  record Settings(
      double momentum,
      double dampening,
      boolean nesterov,
      double weightDecay,
      double trustCoeff,
      double eps,
      boolean trustClip,
      boolean alwaysAdapt) {
    Settings {
      Hyperparameters.requireDecayRate("lars", "momentum", momentum);
      Hyperparameters.require(
          dampening >= 0 && dampening <= 1,
          "lars",
          "dampening",
          dampening,
          "in [0, 1]",
          "pass 0 for none");
      Hyperparameters.requireWeightDecay("lars", weightDecay);
      Hyperparameters.requireEps("lars", eps);
      Hyperparameters.require(
          trustCoeff >= 0 && trustCoeff <= Double.MAX_VALUE,
          "lars",
          "trustCoeff",
          trustCoeff,
          "finite and at least 0",
          "pass a small number such as 0.001");
      if (nesterov) {
        Hyperparameters.require(
            momentum > 0,
            "lars",
            "momentum",
            momentum,
            "above 0 with nesterov",
            "pass one such as 0.9");
        Hyperparameters.require(
            dampening == 0, "lars", "dampening", dampening, "0 with nesterov", "leave it out");
      }
    }
  }

  private Lars(Settings settings) {
    super(settings);
  }

  @Override
  Lars copy(Settings settings) {
    return new Lars(settings);
  }

  /**
   * timm's defaults: no momentum, no weight decay, a trust coefficient of 0.001.
   *
   * @return the rule
   */
  public static Lars lars() {
    return new Lars(new Settings(0, 0, false, 0, 0.001, 1e-8, false, false));
  }

  /**
   * Returns a copy with another momentum.
   *
   * @param momentum in [0, 1)
   * @return a copy
   */
  public Lars momentum(double momentum) {
    return with("momentum", momentum);
  }

  /**
   * Returns a copy with another dampening.
   *
   * @param dampening in [0, 1]
   * @return a copy
   */
  public Lars dampening(double dampening) {
    return with("dampening", dampening);
  }

  /**
   * Returns a copy with or without Nesterov momentum.
   *
   * @param nesterov whether to look ahead; needs a momentum above 0
   * @return a copy
   */
  public Lars nesterov(boolean nesterov) {
    return with("nesterov", nesterov);
  }

  @Override
  public Lars weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with another factor on the ratio of norms.
   *
   * @param trustCoeff at least 0
   * @return a copy
   */
  public Lars trustCoeff(double trustCoeff) {
    return with("trustCoeff", trustCoeff);
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps at least 0
   * @return a copy
   */
  public Lars eps(double eps) {
    return with("eps", eps);
  }

  /**
   * Returns a copy with or without a bound on the ratio of norms.
   *
   * @param trustClip whether it is divided by the rate and then at most 1
   * @return a copy
   */
  public Lars trustClip(boolean trustClip) {
    return with("trustClip", trustClip);
  }

  /**
   * Returns a copy that applies the ratio of norms without weight decay too, or does not.
   *
   * @param alwaysAdapt whether it applies there too
   * @return a copy
   */
  public Lars alwaysAdapt(boolean alwaysAdapt) {
    return with("alwaysAdapt", alwaysAdapt);
  }

  @Override
  public String name() {
    return "lars";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return settings.momentum > 0 ? SLOTS : List.of();
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
  public int options() {
    return settings.nesterov ? 2 : settings.momentum > 0 ? 1 : 0;
  }

  @Override
  public List<String> movable() {
    return settings.momentum > 0 ? List.of("momentum", "weightDecay") : List.of("weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double weightDecay = at.get("weightDecay", settings.weightDecay);
    out[0] = at.learningRate();
    out[1] = at.get("momentum", settings.momentum);
    out[2] = at.step() == 1 ? 1.0 : 1.0 - settings.dampening;
    out[3] = weightDecay;
    out[4] = settings.trustCoeff;
    out[5] = settings.eps;
    out[6] = weightDecay != 0 || settings.alwaysAdapt ? 1 : 0;
    out[7] = settings.trustClip ? 1 : 0;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  private static final class Sums implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM, Kind.NORM);
    private static final Access SUMMING = new Access(Access.PARAMETER | Access.GRADIENT, 0);
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
      return List.of("ratio");
    }

    @Override
    public void sum(FloatBlock block) {
      block.terms(0, block.parameters());
      ScaledGradients.sum(block, 1);
    }

    @Override
    public void sum(DoubleBlock block) {
      block.terms(0, block.parameters());
      ScaledGradients.sum(block, 1);
    }

    @Override
    public void numbers(FloatSums tensor) {
      float values = tensor.sum(0);
      float gradients = tensor.sum(1);
      float divisor = Math.fma(tensor.scalar(3), values, gradients) + tensor.scalar(5);
      float ratio = values > 0 && gradients > 0 ? tensor.scalar(4) * values / divisor : 1f;
      ratio = tensor.scalar(7) != 0 ? Math.min(ratio / tensor.scalar(0), 1f) : ratio;
      tensor.number(0, tensor.scalar(6) != 0 ? ratio : 1f);
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double values = tensor.sum(0);
      double gradients = tensor.sum(1);
      double divisor = Math.fma(tensor.scalar(3), values, gradients) + tensor.scalar(5);
      double ratio = values > 0 && gradients > 0 ? tensor.scalar(4) * values / divisor : 1.0;
      ratio = tensor.scalar(7) != 0 ? Math.min(ratio / tensor.scalar(0), 1.0) : ratio;
      tensor.number(0, tensor.scalar(6) != 0 ? ratio : 1.0);
    }
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    boolean remembers = settings.momentum > 0;
    boolean nesterov = settings.nesterov;
    float[] b = remembers ? block.state(0) : p;
    float scale = block.gradientScale();
    float lr = block.scalar(0);
    float momentum = block.scalar(1);
    float fresh = block.scalar(2);
    float weightDecay = block.scalar(3);
    boolean decays = weightDecay != 0;
    float ratio = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float pi = p[i];
      float di = ratio * FloatBlock.gradient(scale, g[i], decays, weightDecay, pi);
      if (remembers) {
        float bi = Math.fma(momentum, b[i], fresh * di);
        b[i] = bi;
        di = nesterov ? Math.fma(momentum, bi, di) : bi;
      }
      p[i] = Math.fma(-lr, di, pi);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    boolean remembers = settings.momentum > 0;
    boolean nesterov = settings.nesterov;
    double[] b = remembers ? block.state(0) : p;
    double scale = block.gradientScale();
    double lr = block.scalar(0);
    double momentum = block.scalar(1);
    double fresh = block.scalar(2);
    double weightDecay = block.scalar(3);
    boolean decays = weightDecay != 0;
    double ratio = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double pi = p[i];
      double di = ratio * DoubleBlock.gradient(scale, g[i], decays, weightDecay, pi);
      if (remembers) {
        double bi = Math.fma(momentum, b[i], fresh * di);
        b[i] = bi;
        di = nesterov ? Math.fma(momentum, bi, di) : bi;
      }
      p[i] = Math.fma(-lr, di, pi);
    }
  }
}
