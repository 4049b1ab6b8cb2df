package io.warmstep.rule;

import io.warmstep.math.Powers;
import java.util.List;
import java.util.Map;

/**
 * Adan (Xie et al. 2022, "Adaptive Nesterov Momentum Algorithm") as its authors' code computes it:
 * a moment of gradients, one of their differences, and the square of both. Betas are the shares
 * that are kept, as in that code; the paper's are 1 minus them. At step t, with the global norm G
 * of all gradients:
 *
 * <pre>
 * g = g * min(1, maxGradNorm / (G + eps))             (not if that is 0)
 * d = g - previous g                                  (0 at the first step)
 * m = beta1 * m + (1 - beta1) * g
 * c = beta2 * c + (1 - beta2) * d
 * n = beta3 * n + (1 - beta3) * (g + beta2 * d)^2
 * q = sqrt(n) / sqrt(1 - beta3^t) + eps
 * u = lr / (1 - beta1^t) * m / q + lr * beta2 / (1 - beta2^t) * c / q
 * p = (p - u) / (1 + lr * weightDecay)
 * p = p * (1 - lr * weightDecay) - u                  (noProx)
 * </pre>
 *
 * State: {@code exp_avg}, {@code exp_avg_sq}, {@code exp_avg_diff}, {@code neg_pre_grad}.
 */
public final class Adan extends ConfiguredRule<Adan.Settings, Adan> {
  /**
   * Bytes of an operand that two loops pass over in turn, since a single loop doing both would be
   * too long to be vectorized. The second then finds in the cache what the first wrote.
   */
  private static final int STRIP = 128 * 1024;

  private static final List<String> SCALARS =
      List.of(
          "stepSize",
          "differenceSize",
          "parameterScale",
          "shrinkage",
          "beta1",
          "oneMinusBeta1",
          "beta2",
          "oneMinusBeta2",
          "beta3",
          "oneMinusBeta3",
          "rootScale",
          "eps",
          "isFirst");
  private static final List<StateSlot> SLOTS =
      List.of(
          StateSlot.moment("exp_avg"),
          StateSlot.square("exp_avg_sq"),
          StateSlot.moment("exp_avg_diff"),
          StateSlot.moment("neg_pre_grad"));

  /**
   * The hyperparameters.
   *
   * @param beta1 decay of the moment, in [0, 1)
   * @param beta2 decay of the differences, in [0, 1)
   * @param beta3 decay of the square, in [0, 1)
   * @param eps added to the root after bias correction, at least 0
   * @param weightDecay decoupled weight decay, at least 0
   * @param maxGradNorm maximum global gradient norm, 0 for none
   * @param noProx whether weight decay multiplies before the step rather than divides after it
   * @param maximize whether to ascend
   */
  record Settings(
      double beta1,
      double beta2,
      double beta3,
      double eps,
      double weightDecay,
      double maxGradNorm,
      boolean noProx,
      boolean maximize) {
    Settings {
      Hyperparameters.requireDecayRate("adan", "beta1", beta1);
      Hyperparameters.requireDecayRate("adan", "beta2", beta2);
      Hyperparameters.requireDecayRate("adan", "beta3", beta3);
      Hyperparameters.requireEps("adan", eps);
      Hyperparameters.requireWeightDecay("adan", weightDecay);
      Hyperparameters.requireMaxGradNorm("adan", maxGradNorm);
    }
  }

  private Adan(Settings settings) {
    super(settings);
  }

  @Override
  Adan copy(Settings settings) {
    return new Adan(settings);
  }

  /**
   * The authors' defaults: betas 0.98, 0.92 and 0.99, eps 1e-8, no weight decay.
   *
   * @return the rule
   */
  public static Adan adan() {
    return new Adan(new Settings(0.98, 0.92, 0.99, 1e-8, 0, 0, false, false));
  }

  /**
   * Returns a copy with other decay rates.
   *
   * @param beta1 in [0, 1)
   * @param beta2 in [0, 1)
   * @param beta3 in [0, 1)
   * @return a copy
   */
  public Adan betas(double beta1, double beta2, double beta3) {
    return with(Map.of("beta1", beta1, "beta2", beta2, "beta3", beta3));
  }

  /**
   * Returns a copy with another eps.
   *
   * @param eps added to the root after bias correction, at least 0
   * @return a copy
   */
  public Adan eps(double eps) {
    return with("eps", eps);
  }

  @Override
  public Adan weightDecay(double weightDecay) {
    return with("weightDecay", weightDecay);
  }

  /**
   * Returns a copy that clips gradients first, {@code g * min(1, maxGradNorm / (G + eps))} for
   * their global norm G. An optimizer with its own {@link io.warmstep.OptimizerBuilder#clipNorm
   * clipNorm} uses that instead.
   *
   * @param maxGradNorm above 0, or 0 for none
   * @return a copy
   */
  public Adan maxGradNorm(double maxGradNorm) {
    return with("maxGradNorm", maxGradNorm);
  }

  @Override
  public double clipNorm() {
    return settings.maxGradNorm;
  }

  /** The rule's eps, if it clips: all rules of an optimizer clip alike. */
  @Override
  public double clipEps() {
    return settings.maxGradNorm > 0 ? settings.eps : 0;
  }

  /**
   * Returns a copy with plain or proximal decoupled weight decay.
   *
   * @param noProx whether weight decay multiplies before the step rather than divides after it
   * @return a copy
   */
  public Adan noProx(boolean noProx) {
    return with("noProx", noProx);
  }

  /**
   * Returns a copy that ascends or descends.
   *
   * @param maximize whether to ascend
   * @return a copy
   */
  public Adan maximize(boolean maximize) {
    return with("maximize", maximize);
  }

  @Override
  public String name() {
    return "adan";
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
    return List.of("beta1", "beta2", "beta3", "weightDecay");
  }

  @Override
  public List<String> scalarNames() {
    return SCALARS;
  }

  @Override
  public void scalars(StepValues at, double[] out) {
    double beta1 = at.get("beta1", settings.beta1);
    double beta2 = at.get("beta2", settings.beta2);
    double beta3 = at.get("beta3", settings.beta3);
    double decay = at.learningRate() * at.get("weightDecay", settings.weightDecay);
    out[0] = at.learningRate() / (1.0 - Powers.power(beta1, at.step()));
    out[1] = at.learningRate() * beta2 / (1.0 - Powers.power(beta2, at.step()));
    out[2] = settings.noProx ? 1.0 - decay : 1.0;
    out[3] = settings.noProx ? 1.0 : 1.0 / (1.0 + decay);
    out[4] = beta1;
    out[5] = 1.0 - beta1;
    out[6] = beta2;
    out[7] = 1.0 - beta2;
    out[8] = beta3;
    out[9] = 1.0 - beta3;
    out[10] = 1.0 / Math.sqrt(1.0 - Powers.power(beta3, at.step()));
    out[11] = settings.eps;
    out[12] = at.step() == 1 ? 1 : 0;
  }

  @Override
  public void update(FloatBlock block) {
    int end = block.end();
    for (int from = block.start(), n; from < end; from += n) {
      n = Math.min(end - from, STRIP / Float.BYTES);
      moveState(block, from, from + n);
      moveParameters(block, from, from + n);
    }
  }

  private static void moveState(FloatBlock block, int from, int to) {
    float[] g = block.gradients();
    float[] m = block.state(0);
    float[] n = block.state(1);
    float[] c = block.state(2);
    float[] previous = block.state(3);
    float scale = block.gradientScale();
    float beta1 = block.scalar(4);
    float fresh1 = block.scalar(5);
    float beta2 = block.scalar(6);
    float fresh2 = block.scalar(7);
    float beta3 = block.scalar(8);
    float fresh3 = block.scalar(9);
    boolean starts = block.scalar(12) != 0;
    for (int i = from; i < to; i++) {
      float gi = scale * g[i];
      float difference = starts ? 0f : gi + previous[i];
      float ahead = Math.fma(beta2, difference, gi);
      m[i] = Math.fma(beta1, m[i], fresh1 * gi);
      n[i] = Math.fma(beta3, n[i], (fresh3 * ahead) * ahead);
      c[i] = Math.fma(beta2, c[i], fresh2 * difference);
      previous[i] = -gi;
    }
  }

  private static void moveParameters(FloatBlock block, int from, int to) {
    float[] p = block.parameters();
    float[] m = block.state(0);
    float[] n = block.state(1);
    float[] c = block.state(2);
    float stepSize = block.scalar(0);
    float differenceSize = block.scalar(1);
    float keep = block.scalar(2);
    float shrink = block.scalar(3);
    float rootScale = block.scalar(10);
    float eps = block.scalar(11);
    for (int i = from; i < to; i++) {
      float step = Math.fma(stepSize, m[i], differenceSize * c[i]);
      float denominator = Math.fma((float) Math.sqrt(n[i]), rootScale, eps);
      p[i] = Math.fma(keep, p[i], -(step / denominator)) * shrink;
    }
  }

  @Override
  public void update(DoubleBlock block) {
    int end = block.end();
    for (int from = block.start(), n; from < end; from += n) {
      n = Math.min(end - from, STRIP / Double.BYTES);
      moveState(block, from, from + n);
      moveParameters(block, from, from + n);
    }
  }

  private static void moveState(DoubleBlock block, int from, int to) {
    double[] g = block.gradients();
    double[] m = block.state(0);
    double[] n = block.state(1);
    double[] c = block.state(2);
    double[] previous = block.state(3);
    double scale = block.gradientScale();
    double beta1 = block.scalar(4);
    double fresh1 = block.scalar(5);
    double beta2 = block.scalar(6);
    double fresh2 = block.scalar(7);
    double beta3 = block.scalar(8);
    double fresh3 = block.scalar(9);
    boolean starts = block.scalar(12) != 0;
    for (int i = from; i < to; i++) {
      double gi = scale * g[i];
      double difference = starts ? 0.0 : gi + previous[i];
      double ahead = Math.fma(beta2, difference, gi);
      m[i] = Math.fma(beta1, m[i], fresh1 * gi);
      n[i] = Math.fma(beta3, n[i], (fresh3 * ahead) * ahead);
      c[i] = Math.fma(beta2, c[i], fresh2 * difference);
      previous[i] = -gi;
    }
  }

  private static void moveParameters(DoubleBlock block, int from, int to) {
    double[] p = block.parameters();
    double[] m = block.state(0);
    double[] n = block.state(1);
    double[] c = block.state(2);
    double stepSize = block.scalar(0);
    double differenceSize = block.scalar(1);
    double keep = block.scalar(2);
    double shrink = block.scalar(3);
    double rootScale = block.scalar(10);
    double eps = block.scalar(11);
    for (int i = from; i < to; i++) {
      double step = Math.fma(stepSize, m[i], differenceSize * c[i]);
      double denominator = Math.fma(Math.sqrt(n[i]), rootScale, eps);
      p[i] = Math.fma(keep, p[i], -(step / denominator)) * shrink;
    }
  }
}
