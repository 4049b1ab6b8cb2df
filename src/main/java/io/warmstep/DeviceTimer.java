package io.warmstep;

import io.warmstep.backend.StreamTimer;
import java.lang.ref.Reference;
import java.util.Locale;

/**
 * Measures how long a device works on steps and copies: on CUDA with stream events, elsewhere with
 * the host's clock, for which start and stop wait until the device is idle. For use by one thread.
 */
public final class DeviceTimer implements AutoCloseable {
  private final Device device;
  private final StreamTimer timer;
  private final Lifetime lifetime;
  private State state = State.NEW;

  private enum State {
    NEW,
    STARTED,
    STOPPED
  }

  DeviceTimer(Device device) {
    this.device = device;
    this.timer = device.backend().timer();
    this.lifetime = Lifetime.begin(this, "timer on " + device.name());
    this.lifetime.ifLost(device.backend(), timer::close);
  }

  /**
   * Starts measuring, after all work that was queued so far.
   *
   * @throws ClosedException if the timer or the device is closed
   */
  public void start() {
    checkOpen();
    timer.start();
    state = State.STARTED; // after the call, so that the timer is kept while it runs
  }

  /**
   * Stops measuring, after all work that was queued so far.
   *
   * @throws IllegalStateException if it was not started
   * @throws ClosedException if the timer or the device is closed
   */
  public void stop() {
    checkOpen();
    if (state != State.STARTED) {
      throw new IllegalStateException("the timer is not running: call start() before stop()");
    }
    timer.stop();
    state = State.STOPPED;
  }

  /**
   * Waits until the device has finished the measured work, and returns its time.
   *
   * @return milliseconds from start to stop
   * @throws IllegalStateException if nothing was measured
   * @throws ClosedException if the timer or the device is closed
   */
  public double millis() {
    checkOpen();
    if (state != State.STOPPED) {
      throw new IllegalStateException("the timer has measured nothing: call start() and stop()");
    }
    try {
      return timer.millis();
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  private void checkOpen() {
    lifetime.checkOpen();
    device.backend();
  }

  /** Releases the timer. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end() && device.isOpen()) {
      timer.close();
    }
  }

  @Override
  public String toString() {
    return "timer on " + device + ", " + state.name().toLowerCase(Locale.ROOT);
  }
}
