package io.warmstep.cli.bench;

/** Work that moves as many bytes as a step must and computes nothing. */
interface Ceiling extends AutoCloseable {
  /**
   * What it is.
   *
   * @return for tables
   */
  String name();

  /**
   * How much it moves.
   *
   * @return bytes that are read and written for a step
   */
  long traffic();

  /**
   * Does the work of a number of steps, or asks the device for it.
   *
   * @param times how often
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  void run(int times) throws InterruptedException;

  @Override
  void close();
}
