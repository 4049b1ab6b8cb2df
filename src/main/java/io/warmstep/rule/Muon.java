package io.warmstep.rule;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Muon (Jordan 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv 2502.16982), as
 * {@code torch.optim.Muon} computes it: momentum whose matrix is made nearly orthogonal before it
 * is applied, for the weight matrices of hidden layers. Embeddings, heads, biases and gains belong
 * in a separate group under AdamW:
 *
 * <pre>
 * m = momentum * m + (1 - momentum) * g
 * u = momentum * m + (1 - momentum) * g         (Nesterov; otherwise u = m)
 * X = u / max(|u|, eps)                         (transposed if it has more rows than columns)
 * X = a * X + (b * A + c * A A) X, A = X Xᵀ     (nsSteps times)
 * p = p * (1 - lr * weightDecay)
 * p = p - lr * s * X                            (transposed back)
 * </pre>
 *
 * <p>with {@code s = sqrt(max(1, rows / columns))} or, to match the size of AdamW's updates, {@code
 * s = 0.2 * sqrt(max(rows, columns))}. For a parameter with more than two dimensions, such as a
 * convolution's, the first one is the rows. PyTorch iterates in bfloat16, this rule in the
 * arithmetic of the parameters.
 *
 * <p>State: {@code momentum_buffer}.
 */
public final class Muon extends ConfiguredRule<Muon.Settings, Muon> {
  private static final int MAX_STEPS = 99;
  private static final List<String> SCALARS =
      List.of(
          "learningRate",
          "parameterScale",
          "momentum",
          "oneMinusMomentum",
          "isNesterov",
          "eps",
          "matchesRmsOfAdamW");
  private static final List<StateSlot> SLOTS =
      List.of(StateSlot.moment("momentum_buffer"), StateSlot.scratch("orthogonal"));

  private static final TensorSums SUMS = new Sums();

  /**
   * The hyperparameters.
   *
   * @param momentum in [0, 1)
   * @param nesterov whether the gradient is mixed in once more
   * @param weightDecay decoupled weight decay, at least 0
   * @param eps lower bound on the norm that a matrix is divided by, at least 0
   * @param nsCoefficient1 factor of X
   * @param nsCoefficient2 factor of A X
   * @param nsCoefficient3 factor of A A X
   * @param nsSteps how often to iterate, from 1 to 99
   * @param matchRmsAdamw whether updates match the size of AdamW's
   */
  record Settings(
      double momentum,
      boolean nesterov,
      double weightDecay,
      double eps,
      double nsCoefficient1,
      double nsCoefficient2,
      double nsCoefficient3,
      long nsSteps,
      boolean matchRmsAdamw) {
    Settings {
      Hyperparameters.requireDecayRate("muon", "momentum", momentum);
      Hyperparameters.requireWeightDecay("muon", weightDecay);
      Hyperparameters.requireEps("muon", eps);
      requireFactor("nsCoefficient1", nsCoefficient1);
      requireFactor("nsCoefficient2", nsCoefficient2);
      requireFactor("nsCoefficient3", nsCoefficient3);
      Hyperparameters.require(
          nsSteps >= 1 && nsSteps <= MAX_STEPS,
          "muon",
          "nsSteps",
          nsSteps,
          "from 1 to " + MAX_STEPS,
          "pass how often to iterate, such as 5");
    }

    /** Checks that a factor is within the range of float32. */
    private static void requireFactor(String name, double value) {
      Hyperparameters.require(
          Math.abs(value) <= Float.MAX_VALUE && (value == 0 || (float) value != 0),
          "muon",
          name,
          value,
          "0 or within the range of float32",
          "pass a factor such as 3.4445");
    }
  }

  private Muon(Settings settings) {
    super(settings);
  }

  @Override
  Muon copy(Settings settings) {
    return new Muon(settings);
  }

  /**
   * PyTorch's defaults: Nesterov momentum of 0.95, weight decay 0.1, eps 1e-7, 5 steps with the
   * coefficients 3.4445, -4.775 and 2.0315.
   *
   * @return the rule
   */
  public static Muon muon() {
    return new Muon(new Settings(0.95, true, 0.1, 1e-7, 3.4445, -4.775, 2.0315, 5, false));
  }

  /**
   * Returns a copy with another momentum.
   *
   * @param momentum in [0, 1)
   * @return a copy
   */
  public Muon momentum(double momentum) {
    return with("momentum", momentum);
  }

  /**
   * Returns a copy with or without Nesterov momentum.
   *
   * @param nesterov whether the gradient is mixed in once more
   * @return a copy
   */
  public Muon nesterov(boolean nesterov) {
    return with("nesterov", nesterov);
  }

  @Override
  public Muon weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy with another lower bound on the norm that a matrix is divided by.
   *
   * @param eps at least 0
   * @return a copy
   */
  public Muon eps(double eps) {
    return with("eps", eps);
  }

  /**
   * Returns a copy with another iteration: {@code X = a * X + (b * A + c * A A) X}.
   *
   * @param a factor of X, within the range of float32, as are the others
   * @param b factor of A X
   * @param c factor of A A X
   * @param steps how often, from 1 to 99
   * @return a copy
   */
  public Muon newtonSchulz(double a, double b, double c, int steps) {
    return with(
        Map.of("nsCoefficient1", a, "nsCoefficient2", b, "nsCoefficient3", c, "nsSteps", steps));
  }

  /**
   * Returns a copy whose updates have the size of AdamW's, so that AdamW's learning rate and weight
   * decay fit: PyTorch's {@code adjust_lr_fn="match_rms_adamw"}.
   *
   * @param matchRmsAdamw whether to do so
   * @return a copy
   */
  public Muon matchRmsAdamw(boolean matchRmsAdamw) {
    return with("matchRmsAdamw", matchRmsAdamw);
  }

  @Override
  public String name() {
    return "muon";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public boolean maximize() {
    return false;
  }

  /** None: weight decay is separate from the gradient. */
  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
  }

  @Override
  public List<String> movable() {
    return List.of("momentum", "weightDecay");
  }

  @Override
  public int minDimensions() {
    return 2;
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double momentum = at.get("momentum", settings.momentum);
    out[0] = at.learningRate();
    out[1] = 1.0 - at.learningRate() * at.get("weightDecay", settings.weightDecay);
    out[2] = momentum;
    out[3] = 1.0 - momentum;
    out[4] = settings.nesterov ? 1 : 0;
    out[5] = settings.eps;
    out[6] = settings.matchRmsAdamw ? 1 : 0;
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  @Override
  public Optional<NewtonSchulz> matrix() {
    return Optional.of(
        new NewtonSchulz(
            1,
            settings.nsCoefficient1,
            settings.nsCoefficient2,
            settings.nsCoefficient3,
            (int) settings.nsSteps));
  }

  private static final class Sums implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM);
    private static final Access SUMMING =
        new Access(Access.GRADIENT | Access.state(0), Access.state(0) | Access.state(1));
    private static final Access UPDATING =
        new Access(Access.PARAMETER | Access.state(1), Access.PARAMETER);

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
      return List.of("divisor", "stepSize");
    }

    @Override
    public void sum(FloatBlock block) {
      float[] g = block.gradients();
      float[] m = block.state(0);
      float[] u = block.state(1);
      float[] terms = block.terms(0);
      if (block.hasMoved()) {
        System.arraycopy(u, block.start(), terms, block.start(), block.end() - block.start());
        return;
      }
      float scale = block.gradientScale();
      float momentum = block.scalar(2);
      float fresh = block.scalar(3);
      boolean nesterov = block.scalar(4) != 0;
      for (int i = block.start(), end = block.end(); i < end; i++) {
        float gi = scale * g[i];
        float mi = Math.fma(momentum, m[i], fresh * gi);
        float ui = nesterov ? Math.fma(momentum, mi, fresh * gi) : mi;
        m[i] = mi;
        u[i] = ui;
        terms[i] = ui;
      }
    }

    @Override
    public void sum(DoubleBlock block) {
      double[] g = block.gradients();
      double[] m = block.state(0);
      double[] u = block.state(1);
      double[] terms = block.terms(0);
      if (block.hasMoved()) {
        System.arraycopy(u, block.start(), terms, block.start(), block.end() - block.start());
        return;
      }
      double scale = block.gradientScale();
      double momentum = block.scalar(2);
      double fresh = block.scalar(3);
      boolean nesterov = block.scalar(4) != 0;
      for (int i = block.start(), end = block.end(); i < end; i++) {
        double gi = scale * g[i];
        double mi = Math.fma(momentum, m[i], fresh * gi);
        double ui = nesterov ? Math.fma(momentum, mi, fresh * gi) : mi;
        m[i] = mi;
        u[i] = ui;
        terms[i] = ui;
      }
    }

    @Override
    public void numbers(FloatSums tensor) {
      float rows = tensor.rows();
      float columns = tensor.columns();
      float factor = (float) Math.sqrt(Math.max(1f, rows / columns));
      if (tensor.scalar(6) != 0) {
        factor = (float) 0.2 * (float) Math.sqrt(Math.max(rows, columns));
      }
      tensor.number(0, Math.max(tensor.sum(0), tensor.scalar(5)));
      tensor.number(1, tensor.scalar(0) * factor);
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double rows = tensor.rows();
      double columns = tensor.columns();
      double factor = Math.sqrt(Math.max(1.0, rows / columns));
      if (tensor.scalar(6) != 0) {
        factor = 0.2 * Math.sqrt(Math.max(rows, columns));
      }
      tensor.number(0, Math.max(tensor.sum(0), tensor.scalar(5)));
      tensor.number(1, tensor.scalar(0) * factor);
    }
  }

  @Override
  public void update(FloatBlock block) {
    float[] p = block.parameters();
    float[] u = block.state(1);
    float keep = block.scalar(1);
    float stepSize = block.number(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-stepSize, u[i], keep * p[i]);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    double[] p = block.parameters();
    double[] u = block.state(1);
    double keep = block.scalar(1);
    double stepSize = block.number(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-stepSize, u[i], keep * p[i]);
    }
  }
}
