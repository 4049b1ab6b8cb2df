package io.warmstep.rule;

import java.util.List;
import java.util.Map;

/**
 * Rprop (Riedmiller and Braun 1993), for full-batch gradients: each element has its own step size,
 * which grows while the gradient keeps its sign and shrinks when it flips, as {@code
 * torch.optim.Rprop} computes it. Sizes start at the learning rate of the first step, which has no
 * influence later.
 *
 * <pre>
 * s = sign(g * prev)
 * size = clamp(size * eta2, stepSize1, stepSize2)     (s above 0)
 * size = clamp(size * eta1, stepSize1, stepSize2)     (s below 0; and g = 0)
 * p = p - sign(g) * size
 * prev = g
 * </pre>
 *
 * State: {@code prev}, {@code step_size}.
 */
public final class Rprop extends ConfiguredRule<Rprop.Settings, Rprop> {
  private static final List<String> SCALARS =
      List.of("isFirst", "learningRate", "eta1", "eta2", "stepSize1", "stepSize2");
  private static final List<StateSlot> SLOTS =
      List.of(new StateSlot("prev"), new StateSlot("step_size"));

  /**
   * The hyperparameters.
   *
   * @param eta1 factor of a size whose gradient flips its sign, above 0 and below 1
   * @param eta2 factor of a size whose gradient keeps its sign, above 1
   * @param stepSize1 the least size, at least 0
   * @param stepSize2 the greatest size
   * @param maximize whether to ascend
   */
  record Settings(double eta1, double eta2, double stepSize1, double stepSize2, boolean maximize) {
    Settings {
      Hyperparameters.require(
          eta1 > 0 && eta1 < 1,
          "rprop",
          "eta1",
          eta1,
          "above 0 and below 1",
          "pass a factor such as 0.5");
      Hyperparameters.require(
          eta2 > 1 && eta2 <= Double.MAX_VALUE,
          "rprop",
          "eta2",
          eta2,
          "finite and above 1",
          "pass a factor such as 1.2");
      Hyperparameters.require(
          stepSize1 >= 0 && stepSize1 <= Double.MAX_VALUE,
          "rprop",
          "stepSize1",
          stepSize1,
          "finite and at least 0",
          "pass the least size");
      Hyperparameters.require(
          stepSize2 >= stepSize1 && stepSize2 <= Double.MAX_VALUE,
          "rprop",
          "stepSize2",
          stepSize2,
          "finite and at least stepSize1",
          "pass the greatest size");
    }
  }

  private Rprop(Settings settings) {
    super(settings);
  }

  @Override
  Rprop copy(Settings settings) {
    return new Rprop(settings);
  }

  /**
   * PyTorch's defaults: factors 0.5 and 1.2, sizes from 1e-6 to 50.
   *
   * @return the rule
   */
  public static Rprop rprop() {
    return new Rprop(new Settings(0.5, 1.2, 1e-6, 50, false));
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Rprop maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  /**
   * Rprop has no weight decay: of a gradient only the sign counts, and what decay adds to it would
   * either change nothing or turn the step around.
   *
   * @param weightDecay 0
   * @return this rule
   * @throws IllegalArgumentException if it is any other number
   */
  @Override
  public Rprop weightDecay(double weightDecay) {
    Hyperparameters.require(
        weightDecay == 0,
        "rprop",
        "weightDecay",
        weightDecay,
        "0, since of a gradient only the sign counts, which decay would keep or turn around",
        "leave it out, or choose a rule such as Adam.adamW()");
    return this;
  }

  /**
   * Returns a copy with other step-size factors.
   *
   * @param eta1 where a gradient flips its sign, above 0 and below 1
   * @param eta2 where it keeps its sign, above 1
   * @return a copy
   */
  public Rprop etas(double eta1, double eta2) {
    return with(Map.of("eta1", eta1, "eta2", eta2));
  }

  /**
   * Returns a copy with other bounds on step sizes.
   *
   * @param least at least 0
   * @param greatest at least as much
   * @return a copy
   */
  public Rprop stepSizes(double least, double greatest) {
    return with(Map.of("stepSize1", least, "stepSize2", greatest));
  }

  @Override
  public String name() {
    return "rprop";
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
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    out[0] = at.step() == 1 ? 1 : 0;
    out[1] = at.learningRate();
    out[2] = settings.eta1;
    out[3] = settings.eta2;
    out[4] = settings.stepSize1;
    out[5] = settings.stepSize2;
  }

  @Override
  public void update(FloatBlock block) {
    takeSigns(block);
    takeSizes(block);
    move(block);
  }

  // The compiler does not vectorize a single loop that does all of it, nor, with a profile of the
  // others, each of three in one method.

  /** Until the gradient is stored, its slot holds the sign. */
  private static void takeSigns(FloatBlock block) {
    float[] g = block.gradients();
    float[] previous = block.state(0);
    float scale = block.gradientScale();
    for (int i = block.start(), end = block.end(); i < end; i++) {
      previous[i] = Signs.sign((scale * g[i]) * previous[i]);
    }
  }

  /** Stores gradients and sizes. */
  private static void takeSizes(FloatBlock block) {
    float[] g = block.gradients();
    float[] previous = block.state(0);
    float[] sizes = block.state(1);
    float scale = block.gradientScale();
    boolean starts = block.scalar(0) != 0;
    float lr = block.scalar(1);
    float shrink = block.scalar(2);
    float grow = block.scalar(3);
    float least = block.scalar(4);
    float greatest = block.scalar(5);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      float sign = previous[i];
      float any = Math.abs(sign);
      float turns = any - sign; // 2 where the gradient flips
      // Infinite, or 0 where the gradient flips, of which a zero of its sign is left.
      float bound = (2f - turns) * Float.MAX_VALUE;
      previous[i] = Math.max(-bound, Math.min(bound, scale * g[i]));
      float factor = (any + sign) * 0.5f * grow + turns * 0.5f * shrink + (1f - any);
      sizes[i] = Math.max(least, Math.min(greatest, (starts ? lr : sizes[i]) * factor));
    }
  }

  private static void move(FloatBlock block) {
    float[] p = block.parameters();
    float[] previous = block.state(0);
    float[] sizes = block.state(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-Signs.sign(previous[i]), sizes[i], p[i]);
    }
  }

  @Override
  public void update(DoubleBlock block) {
    takeSigns(block);
    takeSizes(block);
    move(block);
  }

  private static void takeSigns(DoubleBlock block) {
    double[] g = block.gradients();
    double[] previous = block.state(0);
    double scale = block.gradientScale();
    for (int i = block.start(), end = block.end(); i < end; i++) {
      previous[i] = Signs.sign((scale * g[i]) * previous[i]);
    }
  }

  private static void takeSizes(DoubleBlock block) {
    double[] g = block.gradients();
    double[] previous = block.state(0);
    double[] sizes = block.state(1);
    double scale = block.gradientScale();
    boolean starts = block.scalar(0) != 0;
    double lr = block.scalar(1);
    double shrink = block.scalar(2);
    double grow = block.scalar(3);
    double least = block.scalar(4);
    double greatest = block.scalar(5);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      double sign = previous[i];
      double any = Math.abs(sign);
      double turns = any - sign; // 2 where the gradient flips
      // Infinite, or 0 where the gradient flips, of which a zero of its sign is left.
      double bound = (2.0 - turns) * Double.MAX_VALUE;
      previous[i] = Math.max(-bound, Math.min(bound, scale * g[i]));
      double factor = (any + sign) * 0.5 * grow + turns * 0.5 * shrink + (1.0 - any);
      sizes[i] = Math.max(least, Math.min(greatest, (starts ? lr : sizes[i]) * factor));
    }
  }

  private static void move(DoubleBlock block) {
    double[] p = block.parameters();
    double[] previous = block.state(0);
    double[] sizes = block.state(1);
    for (int i = block.start(), end = block.end(); i < end; i++) {
      p[i] = Math.fma(-Signs.sign(previous[i]), sizes[i], p[i]);
    }
  }
}
