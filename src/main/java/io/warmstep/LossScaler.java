package io.warmstep;

import java.lang.ref.WeakReference;
import java.util.Objects;

/**
 * Scales the loss so that small half-precision gradients do not vanish (Micikevicius et al. 2018).
 * Multiply the loss by {@link #scale()} before the backward pass; the optimizer unscales gradients
 * in the pass that reads them, skips a step whose gradients are not finite, and adjusts the scale
 * as PyTorch's {@code GradScaler} does. Used with one open optimizer at a time, from its thread. To
 * resume a run exactly, save {@link #state} and give it to {@link #restore}.
 */
public final class LossScaler {
  private static final String SCALE_RANGE = "above 0 and a normal float32 number";

  /**
   * What the steps so far have led to.
   *
   * @param scale the present scale
   * @param finiteSteps steps in a row with finite gradients since the scale last changed
   */
  public record State(double scale, int finiteSteps) {
    /**
     * Makes a state, for example from the values in a checkpoint.
     *
     * @param scale above 0 and a normal float32 number
     * @param finiteSteps at least 0
     * @throws IllegalArgumentException for a value out of range
     */
    public State {
      require(isScale(scale), "scale", scale, SCALE_RANGE);
      require(finiteSteps >= 0, "finiteSteps", finiteSteps, "at least 0");
    }
  }

  private final double growthFactor;
  private final double backoffFactor;
  private final int growthInterval;
  private double scale;
  private int finiteSteps;

  /** Weak, because an optimizer that was lost without being closed uses nothing any more. */
  private WeakReference<Optimizer> user = new WeakReference<>(null);

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

  /**
   * What the steps so far have led to, for a checkpoint.
   *
   * @return the present state
   */
  public State state() {
    return new State(scale, finiteSteps);
  }

  /**
   * Goes on from a saved state.
   *
   * @param state from {@link #state} of a scaler with the same settings
   * @throws NullPointerException if {@code state} is null
   */
  public void restore(State state) {
    Objects.requireNonNull(state, "state is null, must be one that state() returned");
    scale = state.scale;
    finiteSteps = state.finiteSteps;
  }

  double growthFactor() {
    return growthFactor;
  }

  double backoffFactor() {
    return backoffFactor;
  }

  int growthInterval() {
    return growthInterval;
  }

  /**
   * Begins the use by an optimizer, which ends when that is closed.
   *
   * @throws IllegalStateException if another one that uses this scaler is open
   */
  synchronized void use(Optimizer optimizer) {
    Optimizer other = user.get();
    if (other != null && other.isOpen()) {
      throw new IllegalStateException(
          "the loss scaler is in use by "
              + other
              + ": close that optimizer first, or give each a loss scaler of its own");
    }
    user = new WeakReference<>(optimizer);
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

  private static void require(boolean allowed, String name, Number value, String range) {
    if (!allowed) {
      throw new IllegalArgumentException(
          "loss scaler: " + name + " is " + value + ", must be " + range);
    }
  }
}
