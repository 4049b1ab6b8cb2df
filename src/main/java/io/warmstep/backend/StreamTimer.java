package io.warmstep.backend;

/** Measures how long a device works on what it is asked for between two points of its stream. */
public interface StreamTimer extends AutoCloseable {
  /** Marks the beginning, after all that was asked for before. */
  void start();

  /** Marks the end. */
  void stop();

  /**
   * Waits for the end.
   *
   * @return milliseconds from the beginning to the end
   */
  double millis();

  /** Releases the timer. A second call does nothing. */
  @Override
  void close();

  /**
   * A timer by the host's clock, which waits at both ends.
   *
   * @param device whose work is timed
   * @return the timer
   */
  static StreamTimer ofHost(BackendDevice device) {
    return new StreamTimer() {
      private long begin;
      private long end;

      @Override
      public void start() {
        device.synchronize();
        begin = System.nanoTime();
      }

      @Override
      public void stop() {
        device.synchronize();
        end = System.nanoTime();
      }

      @Override
      public double millis() {
        return (end - begin) / 1e6;
      }

      @Override
      public void close() {}
    };
  }
}
