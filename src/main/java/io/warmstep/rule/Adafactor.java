package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Adafactor (Shazeer and Stern 2018, arXiv 1804.04235), as PyTorch computes it: no momentum, and
 * for a matrix only the means of squared gradients over its rows and columns, so that the state is
 * a small fraction of the model's size:
 *
 * <pre>
 * k = t^beta2Decay
 * R = R + k * (mean of g^2 over a row - R)
 * C = C + k * (mean of g^2 over a column - C)
 * u = g * min(sqrt(max(mean(R), eps1)) / sqrt(R) * (1 / sqrt(C)), 1 / eps1)
 * alpha = max(eps2, rms(p)) * min(lr, 1 / sqrt(t))
 * p = (1 - lr * weightDecay) * p - alpha / max(1, rms(u) / d) * u
 * </pre>
 *
 * <p>So a matrix takes roots and quotients for its rows and columns, not for its elements.
 * Parameters with fewer than two dimensions have a second moment for each element instead, {@code v
 * = v + k * (g^2 - v)}, and {@code u = g / max(sqrt(v), eps1)}. With more than two dimensions, the
 * last two form matrices, one per index into the others. Set the shape with {@code shape(...)}: a
 * parameter without one is a vector.
 *
 * <p>PyTorch computes {@code v = R * C / max(mean(R), eps1)} of a matrix, too, and then {@code g /
 * sqrt(max(v, eps1^2))}, which is the same except that here an eps1 such as 1e-30 need not have a
 * square in float32. The paper adds eps1 to the squares.
 *
 * <p>State: {@code variance} for vectors, {@code row_var} and {@code col_var} for matrices.
 */
public final class Adafactor extends ConfiguredRule<Adafactor.Settings, Adafactor> {
  private static final List<String> SCALARS = List.of("fresh", "eps1", "rate", "eps2", "d", "keep");
  private static final List<StateSlot> SLOTS =
      List.of(
          StateSlot.ofVector("variance"),
          StateSlot.ofRows("row_var"),
          StateSlot.ofColumns("col_var"));
  private static final TensorSums SUMS = new Sums();

  /**
   * The hyperparameters.
   *
   * @param beta2Decay power of the step that weights new squares, at most 0
   * @param eps1 floor of the root of squares, at least 0; 0 for the arithmetic type's epsilon
   * @param eps2 lower bound on a parameter's root mean square, at least 0
   * @param d maximum root mean square of an update, at least 1
   * @param weightDecay decoupled, at least 0
   * @param maximize whether to ascend
   */
  record Settings(
      double beta2Decay, double eps1, double eps2, double d, double weightDecay, boolean maximize) {
    Settings {
      Hyperparameters.require(
          beta2Decay <= 0 && beta2Decay >= -Double.MAX_VALUE,
          "adafactor",
          "beta2Decay",
          beta2Decay,
          "finite and at most 0",
          "pass one such as -0.8");
      Hyperparameters.require(
          eps1 >= 0 && eps1 <= Double.MAX_VALUE,
          "adafactor",
          "eps1",
          eps1,
          "finite and at least 0",
          "pass 0 for the epsilon of the arithmetic type");
      Hyperparameters.require(
          eps2 >= 0 && eps2 <= Double.MAX_VALUE,
          "adafactor",
          "eps2",
          eps2,
          "finite and at least 0",
          "pass a small number such as 1e-3");
      Hyperparameters.require(
          d >= 1 && d <= Double.MAX_VALUE,
          "adafactor",
          "d",
          d,
          "finite and at least 1",
          "pass 1, or more to bound updates less");
      Hyperparameters.requireWeightDecay("adafactor", weightDecay);
    }
  }

  private Adafactor(Settings settings) {
    super(settings);
  }

  @Override
  Adafactor copy(Settings settings) {
    return new Adafactor(settings);
  }

  /**
   * PyTorch's defaults: a decay of -0.8, the arithmetic type's epsilon and 1e-3, d 1, no weight
   * decay.
   *
   * @return the rule
   */
  public static Adafactor adafactor() {
    return new Adafactor(new Settings(-0.8, 0, 1e-3, 1, 0, false));
  }

  /**
   * Returns a copy with another decay of the weight given to new squares: {@code t^beta2Decay} in
   * step t.
   *
   * @param beta2Decay at most 0
   * @return a copy
   */
  public Adafactor beta2Decay(double beta2Decay) {
    return with("beta2Decay", beta2Decay);
  }

  /**
   * Returns a copy with other floors.
   *
   * @param eps1 for the root of squares, and for the mean of rows; 0 for the epsilon of the
   *     arithmetic type, 2^-23 in float32, which 16-bit parameters use too
   * @param eps2 for the parameter's root mean square, at least 0
   * @return a copy
   */
  public Adafactor eps(double eps1, double eps2) {
    return with(Map.of("eps1", eps1, "eps2", eps2));
  }

  /**
   * Returns a copy with another bound on the update.
   *
   * @param d its largest root mean square, at least 1
   * @return a copy
   */
  public Adafactor d(double d) {
    return with("d", d);
  }

  @Override
  public Adafactor weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Adafactor maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adafactor";
  }

  @Override
  public List<StateSlot> stateSlots() {
    return SLOTS;
  }

  @Override
  public boolean maximize() {
    return settings.maximize;
  }

  /** None: the rule applies its own weight decay. */
  @Override
  public double coupledWeightDecay(StepValues at) {
    return 0;
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
    out[0] = 1.0 / Powers.power(at.step(), -settings.beta2Decay);
    out[1] = settings.eps1;
    out[2] = Math.min(at.learningRate(), 1.0 / Math.sqrt(at.step()));
    out[3] = settings.eps2;
    out[4] = settings.d;
    out[5] = 1.0 - at.learningRate() * at.get("weightDecay", settings.weightDecay);
  }

  @Override
  public Optional<TensorSums> sums() {
    return Optional.of(SUMS);
  }

  private static final class Sums implements TensorSums {
    private static final List<Kind> KINDS = List.of(Kind.NORM, Kind.NORM);
    private static final Access SUMMING =
        new Access(Access.PARAMETER | Access.GRADIENT | Access.state(0), Access.state(0));
    private static final Access UPDATING =
        new Access(Access.PARAMETER | Access.GRADIENT | Access.state(0), Access.PARAMETER);

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
      if (block.isFactored()) {
        sumFactored(block);
        return;
      }
      float[] p = block.parameters();
      float[] g = block.gradients();
      float[] v = block.state(0);
      float[] values = block.terms(0);
      float[] updates = block.terms(1);
      float scale = block.gradientScale();
      float fresh = block.scalar(0);
      boolean moves = !block.hasMoved();
      float eps = floor(block);
      for (int i = block.start(), end = block.end(); i < end; i++) {
        float gi = scale * g[i];
        float vi = moves ? Math.fma(fresh, gi * gi - v[i], v[i]) : v[i];
        v[i] = vi;
        values[i] = p[i];
        updates[i] = gi / Math.max((float) Math.sqrt(vi), eps);
      }
    }

    private static void sumFactored(FloatBlock block) {
      float[] g = block.gradients();
      float[] inverses = block.state(0);
      float[] updates = block.terms(1);
      float scale = block.gradientScale();
      block.terms(0, block.parameters());
      for (int i = block.start(), end = block.end(); i < end; i++) {
        updates[i] = scale * g[i] * inverses[i];
      }
    }

    @Override
    public void sum(DoubleBlock block) {
      if (block.isFactored()) {
        sumFactored(block);
        return;
      }
      double[] p = block.parameters();
      double[] g = block.gradients();
      double[] v = block.state(0);
      double[] values = block.terms(0);
      double[] updates = block.terms(1);
      double scale = block.gradientScale();
      double fresh = block.scalar(0);
      boolean moves = !block.hasMoved();
      double eps = floor(block);
      for (int i = block.start(), end = block.end(); i < end; i++) {
        double gi = scale * g[i];
        double vi = moves ? Math.fma(fresh, gi * gi - v[i], v[i]) : v[i];
        v[i] = vi;
        values[i] = p[i];
        updates[i] = gi / Math.max(Math.sqrt(vi), eps);
      }
    }

    private static void sumFactored(DoubleBlock block) {
      double[] g = block.gradients();
      double[] inverses = block.state(0);
      double[] updates = block.terms(1);
      double scale = block.gradientScale();
      block.terms(0, block.parameters());
      for (int i = block.start(), end = block.end(); i < end; i++) {
        updates[i] = scale * g[i] * inverses[i];
      }
    }

    @Override
    public void numbers(FloatSums tensor) {
      float root = (float) Math.sqrt(tensor.count());
      float alpha = Math.max(tensor.scalar(3), tensor.sum(0) / root) * tensor.scalar(2);
      tensor.number(0, alpha / Math.max(1f, tensor.sum(1) / root / tensor.scalar(4)));
    }

    @Override
    public void numbers(DoubleSums tensor) {
      double root = Math.sqrt(tensor.count());
      double alpha = Math.max(tensor.scalar(3), tensor.sum(0) / root) * tensor.scalar(2);
      tensor.number(0, alpha / Math.max(1.0, tensor.sum(1) / root / tensor.scalar(4)));
    }
  }

  private static float floor(FloatBlock block) {
    return block.scalar(1) == 0 ? Math.ulp(1f) : block.scalar(1);
  }

  private static double floor(DoubleBlock block) {
    return block.scalar(1) == 0 ? Math.ulp(1.0) : block.scalar(1);
  }

  @Override
  public void update(FloatBlock block) {
    if (block.isFactored()) {
      updateFactored(block);
      return;
    }
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] v = block.state(0);
    float scale = block.gradientScale();
    float eps = floor(block);
    float keep = block.scalar(5);
    float stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float ui = scale * g[i] / Math.max((float) Math.sqrt(v[i]), eps);
      p[i] = Math.fma(-stepSize, ui, keep * p[i]);
    }
  }

  private static void updateFactored(FloatBlock block) {
    float[] p = block.parameters();
    float[] g = block.gradients();
    float[] inverses = block.state(0);
    float scale = block.gradientScale();
    float keep = block.scalar(5);
    float stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float ui = scale * g[i] * inverses[i];
      p[i] = Math.fma(-stepSize, ui, keep * p[i]);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    if (block.isFactored()) {
      updateFactored(block);
      return;
    }
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] v = block.state(0);
    double scale = block.gradientScale();
    double eps = floor(block);
    double keep = block.scalar(5);
    double stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double ui = scale * g[i] / Math.max(Math.sqrt(v[i]), eps);
      p[i] = Math.fma(-stepSize, ui, keep * p[i]);
    }
  }

  private static void updateFactored(DoubleBlock block) {
    double[] p = block.parameters();
    double[] g = block.gradients();
    double[] inverses = block.state(0);
    double scale = block.gradientScale();
    double keep = block.scalar(5);
    double stepSize = block.number(0);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double ui = scale * g[i] * inverses[i];
      p[i] = Math.fma(-stepSize, ui, keep * p[i]);
    }
  }
}
