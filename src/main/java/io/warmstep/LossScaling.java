package io.warmstep;

import io.warmstep.backend.DeviceScale;
import io.warmstep.step.CapturedCounts;
import io.warmstep.step.CapturedScale;

/**
 * The loss scale of one optimizer, if it has a scaler: what the host knows of it, and the number in
 * the device's memory, which steps without the host move and kernels of the caller's read.
 */
final class LossScaling {
  private final Optimizer optimizer;
  private final LossScaler scaler; // or null
  private final Runnable send;
  private DeviceScale onDevice; // null without a scaler, or where the host alone moves it
  private boolean isLent;

  /**
   * Makes it; {@link #begin} comes before anything else.
   *
   * @param scaler the scaler, or null
   */
  LossScaling(Optimizer optimizer, LossScaler scaler) {
    this.optimizer = optimizer;
    this.scaler = scaler;
    this.send = () -> send(scaler.scale());
  }

  /**
   * Begins the use of the scaler.
   *
   * @param state receives the device's memory
   * @throws IllegalStateException if another open optimizer uses the scaler
   */
  void begin(OptimizerState state) {
    if (scaler == null) {
      return;
    }
    scaler.use(optimizer);
    onDevice = state.allocateScale();
    if (onDevice != null) {
      onDevice.set((float) scaler.scale());
    }
  }

  /** What the loss of the next step is multiplied by; 1 without a scaler. */
  double scale() {
    return scaler == null ? 1 : scaler.scale();
  }

  /** Steps in a row with finite gradients since the scale last changed; 0 without a scaler. */
  int finiteSteps() {
    return scaler == null ? 0 : scaler.state().finiteSteps();
  }

  /** Whether a device can move the scale: every value that it can take is a float32. */
  boolean isExact() {
    return scaler == null || scaler.isExact();
  }

  /**
   * The same, as a check.
   *
   * @throws CaptureRefusedException if it cannot
   */
  void requireExact() {
    if (scaler != null) {
      scaler.requireExact();
    }
  }

  /** Checks that there is a loss scale. */
  private void requireUsed() {
    if (scaler == null) {
      throw new IllegalStateException(
          "the optimizer scales no loss: build it with lossScaler(LossScaler.dynamic())");
    }
  }

  /**
   * What gradients are multiplied by in steps that the device decides about.
   *
   * @param gradientScale the factor apart from the loss scale
   */
  CapturedScale captured(double gradientScale) {
    return scaler == null
        ? new CapturedScale(gradientScale, 1, 1, 0, 0)
        : new CapturedScale(
            gradientScale,
            scaler.growthFactor(),
            scaler.backoffFactor(),
            scaler.growthInterval(),
            onDevice == null ? 0 : onDevice.address());
  }

  /** The number on the device; null without a scaler, or where the host alone moves it. */
  DeviceScale onDevice() {
    return onDevice;
  }

  /** The address of that number for kernels of the caller's: see {@link Optimizer}. */
  long lend() {
    requireUsed();
    if (onDevice == null) {
      throw new UnsupportedOperationException(
          "the loss scale has a handle on CUDA and OpenCL devices alone: multiply the loss by"
              + " LossScaler.scale(), which waits for nothing on "
              + optimizer.device());
    }
    if (!scaler.isExact()) {
      throw new IllegalStateException(
          scaler
              + " does not stay a float32, which kernels read: use a scale that is one, and powers"
              + " of two for its growth and backoff, or multiply the loss by LossScaler.scale()");
    }
    isLent = true;
    return onDevice.address();
  }

  /** Whether kernels of the caller's may read the scale as a float32. */
  boolean isLent() {
    return isLent && optimizer.isOpen();
  }

  /** Sets the number on the device, if there is one, after what the device was given so far. */
  void send(double scale) {
    if (onDevice != null && optimizer.isOpen() && optimizer.device().isOpen()) {
      onDevice.set((float) scale);
    }
  }

  /** Sends the present scale; the same object each time, for steps that allocate nothing. */
  Runnable sending() {
    return send;
  }

  /** Notes a step that the host knows of; whether the scale is another one now. */
  boolean update(boolean wasFinite) {
    return scaler != null && scaler.update(wasFinite);
  }

  /** Takes over what the device's own steps have reached. */
  void takeOver(CapturedCounts counts) {
    if (scaler != null) {
      scaler.takeOver(counts.lossScale, counts.finiteSteps);
    }
  }
}
