package io.warmstep;

/**
 * Scales the loss so that small half-precision gradients do not vanish (Micikevicius et al. 2018).
 * Multiply the loss by {@link #scale()} before the backward pass; the optimizer unscales gradients
 * in the pass that reads them, skips a step whose gradients are not finite, and adjusts the scale
 * as PyTorch's {@code GradScaler} does. Used with one optimizer, from its thread.
 */
public final class LossScaler {
  private static final String SCALE_RANGE = "above 0 and a normal float32 number";

  private final double growthFactor;
  private final double backoffFactor;
  private final int growthInterval;
  private double scale;
  private int finiteSteps;

  private LossScaler(double scale, double growthFactor, double backoffFactor, int growthInterval) {
    this.scale = scale;
    this.growthFactor = growthFactor;
    this.backoffFactor = backoffFactor;
    this.growthInterval = growthInterval;
  }

  /**
   * A scale that halves after a step with non-finite gradients and doubles after 2000 steps
   * without, from 65536; PyTorch's defaults.
   *
   * @return a new scaler
   */
  public static LossScaler dynamic() {
    return dynamic(65536, 2, 0.5, 2000);
  }

  /**
   * A scale that adjusts itself.
   *
   * @param initialScale above 0 and a normal float32 number; a power of two keeps gradients exact
   * @param growthFactor finite and above 1
   * @param backoffFactor in (0, 1)
   * @param growthInterval steps in a row with finite gradients before the scale grows, at least 1
   * @return a new scaler
   * @throws IllegalArgumentException for a value out of range
   */
  public static LossScaler dynamic(
      double initialScale, double growthFactor, double backoffFactor, int growthInterval) {
    require(isScale(initialScale), "initialScale", initialScale, SCALE_RANGE);
    require(
        growthFactor > 1 && growthFactor <= Float.MAX_VALUE,
        "growthFactor",
        growthFactor,
        "finite and above 1");
    require(backoffFactor > 0 && backoffFactor < 1, "backoffFactor", backoffFactor, "in (0, 1)");
    require(growthInterval >= 1, "growthInterval", growthInterval, "at least 1");
    return new LossScaler(initialScale, growthFactor, backoffFactor, growthInterval);
  }

  /**
   * A scale that stays.
   *
   * @param scale above 0 and a normal float32 number; a power of two keeps gradients exact
   * @return a new scaler
   * @throws IllegalArgumentException for a value out of range
   */
  public static LossScaler fixed(double scale) {
    require(isScale(scale), "scale", scale, SCALE_RANGE);
    return new LossScaler(scale, 1, 1, Integer.MAX_VALUE);
  }

  /**
   * What to multiply the loss of the next step by.
   *
   * @return the scale
   */
  public double scale() {
    return scale;
  }

  void update(boolean wasFinite) {
    if (!wasFinite) {
      // Not below float32's smallest normal number, where the inverse would overflow.
      scale = Math.max(scale * backoffFactor, Float.MIN_NORMAL);
      finiteSteps = 0;
    } else if (++finiteSteps >= growthInterval) {
      double grown = scale * growthFactor;
      scale = grown <= Float.MAX_VALUE ? grown : scale;
      finiteSteps = 0;
    }
  }

  /** Below the smallest normal number, the inverse would overflow. */
  private static boolean isScale(double scale) {
    return scale >= Float.MIN_NORMAL && scale <= Float.MAX_VALUE;
  }

  private static void require(boolean allowed, String name, double value, String range) {
    if (!allowed) {
      throw new IllegalArgumentException(
          "loss scaler: " + name + " is " + value + ", must be " + range);
    }
  }
}
