package io.warmstep;

import io.warmstep.check.Arguments;
import java.lang.ref.WeakReference;

/**
 * Scales the loss so that small half-precision gradients do not vanish (Micikevicius et al. 2018).
 * Multiply the loss by {@link #scale()} before the backward pass; the optimizer divides gradients
 * by the scale in the pass that reads them, skips steps whose gradients are not finite, and adjusts
 * the scale as PyTorch's {@code GradScaler} does. On a GPU the device adjusts it, and kernels may
 * read it there: {@link Optimizer#lossScaleHandle}. Used with one open optimizer at a time, from
 * its thread. To resume a run exactly, save {@link #state} and give it to {@link #restore}.
 */
public final class LossScaler {
  private static final String POWER_OF_TWO = "pass a power of two, such as 65536";

  /**
   * The scaler's state.
   *
   * @param scale the current scale
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
      String advice = "pass a state as state() returned it";
      requireScale("scale", scale, advice);
      Arguments.requireAtLeast("loss scaler: finiteSteps", finiteSteps, 0, advice);
    }
  }

  private final double growthFactor;
  private final double backoffFactor;
  private final int growthInterval;
  private double scale;
  private int finiteSteps;

  /** Weak, because an optimizer that was collected without being closed no longer uses anything. */
  private WeakReference<Optimizer> user = new WeakReference<>(null);

  private LossScaler(double scale, double growthFactor, double backoffFactor, int growthInterval) {
    this.scale = scale;
    this.growthFactor = growthFactor;
    this.backoffFactor = backoffFactor;
    this.growthInterval = growthInterval;
  }

  /**
   * A scale that starts at 65536, halves after a step with non-finite gradients and doubles after
   * 2000 steps without any: PyTorch's defaults.
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
   * @param growthFactor above 1 and finite in float32
   * @param backoffFactor in (0, 1)
   * @param growthInterval steps in a row with finite gradients before the scale grows, at least 1
   * @return a new scaler
   * @throws IllegalArgumentException for a value out of range
   */
  public static LossScaler dynamic(
      double initialScale, double growthFactor, double backoffFactor, int growthInterval) {
    requireScale("initialScale", initialScale, POWER_OF_TWO);
    Arguments.require(
        growthFactor > 1 && growthFactor <= Float.MAX_VALUE,
        "loss scaler: growthFactor",
        growthFactor,
        "above 1 and finite in float32",
        "pass what the scale is multiplied by when it grows, such as 2");
    Arguments.require(
        backoffFactor > 0 && backoffFactor < 1,
        "loss scaler: backoffFactor",
        backoffFactor,
        "in (0, 1)",
        "pass what the scale is multiplied by after a skipped step, such as 0.5");
    Arguments.requireAtLeast(
        "loss scaler: growthInterval",
        growthInterval,
        1,
        "pass the number of finite steps after which the scale grows, such as 2000");
    return new LossScaler(initialScale, growthFactor, backoffFactor, growthInterval);
  }

  /**
   * A constant scale.
   *
   * @param scale above 0 and a normal float32 number; a power of two keeps gradients exact
   * @return a new scaler
   * @throws IllegalArgumentException for a value out of range
   */
  public static LossScaler fixed(double scale) {
    requireScale("scale", scale, POWER_OF_TWO);
    return new LossScaler(scale, 1, 1, Integer.MAX_VALUE);
  }

  /**
   * The factor to multiply the loss of the next step by. On a GPU this waits until the device has
   * decided whether the last step is skipped, plain or {@linkplain CapturedStep captured}, unless
   * {@link Optimizer#step()} did so; kernels of the caller's need no wait if they read the scale at
   * {@link Optimizer#lossScaleHandle}. On the CPU the step is over.
   *
   * @return the scale
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public double scale() {
    settle();
    return scale;
  }

  /**
   * The current state, for a checkpoint. Waits as {@link #scale()} does.
   *
   * @return the current state
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public State state() {
    settle();
    return new State(scale, finiteSteps);
  }

  /**
   * Resumes from a saved state.
   *
   * @param state from {@link #state} of a scaler with the same settings
   * @throws NullPointerException if {@code state} is null
   * @throws IllegalArgumentException if its scale is no float32, and kernels may read it through
   *     {@link Optimizer#lossScaleHandle}; nothing changes
   * @throws IllegalStateException if the device's stream is capturing a CUDA graph; nothing changes
   * @throws StepFailedException if the device failed in a step that the host had not waited for
   */
  public void restore(State state) {
    Arguments.requirePresent("state", state, "pass one that state() returned");
    requireReadable(state);
    Optimizer optimizer = user.get();
    if (optimizer != null) {
      optimizer.suspendCaptured();
      optimizer.lossScaling().send(state.scale);
    }
    scale = state.scale;
    finiteSteps = state.finiteSteps;
  }

  /**
   * Checks that kernels which read the scale get the one of a state.
   *
   * @throws IllegalArgumentException if float32 does not hold it
   */
  void requireReadable(State state) {
    Optimizer optimizer = user.get();
    if (optimizer != null
        && optimizer.lossScaling().isLent()
        && (float) state.scale != state.scale) {
      throw Arguments.refusal(
          "loss scaler: scale",
          state.scale,
          "a float32, which kernels read from lossScaleHandle()",
          "restore a state with such a scale");
    }
  }

  /** Waits for the device, which may be further on. */
  private void settle() {
    Optimizer optimizer = user.get();
    if (optimizer != null) {
      optimizer.settleCaptured();
    }
  }

  /** Takes over the state that the device's own steps have reached. */
  void takeOver(double scale, int finiteSteps) {
    this.scale = scale;
    this.finiteSteps = finiteSteps;
  }

  /**
   * Checks that a device can adjust the scale: every value that it can take is a float32.
   *
   * @throws CaptureRefusedException if not
   */
  void requireExact() {
    if (!isExact()) {
      throw new CaptureRefusedException(
          this
              + " does not stay a float32, as the device has it for captured steps: use a scale"
              + " that is one, and powers of two for its growth and backoff");
    }
  }

  /** Whether every scale that it can take is a float32. */
  boolean isExact() {
    return isPowerOfTwo(growthFactor) && isPowerOfTwo(backoffFactor) && (float) scale == scale;
  }

  private static boolean isPowerOfTwo(double factor) {
    return factor == Math.scalb(1.0, Math.getExponent(factor));
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

  @Override
  public String toString() {
    Optimizer optimizer = user.get();
    if (optimizer != null) {
      optimizer.tryToSettle();
    }
    if (growthFactor == 1) {
      return "loss scaler at " + scale + " (fixed)";
    }
    return "loss scaler at %s (growth %s after %s finite steps, %s so far; backoff %s)"
        .formatted(scale, growthFactor, growthInterval, finiteSteps, backoffFactor);
  }

  /**
   * Begins the use by an optimizer, which ends when the optimizer is closed.
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

  /** Notes a step that the host knows of; whether the scale is another one now. */
  boolean update(boolean wasFinite) {
    double former = scale;
    if (!wasFinite) {
      // Not below float32's smallest normal number, where the inverse would overflow.
      scale = Math.max(scale * backoffFactor, Float.MIN_NORMAL);
      finiteSteps = 0;
    } else if (finiteSteps < growthInterval - 1) {
      finiteSteps++;
    } else {
      double grown = scale * growthFactor;
      scale = grown <= Float.MAX_VALUE ? grown : scale;
      finiteSteps = 0;
    }
    return scale != former;
  }

  /** Below the smallest normal number, the inverse would overflow. */
  private static void requireScale(String name, double scale, String advice) {
    Arguments.requireNormalFloat32("loss scaler: " + name, scale, advice);
  }
}
