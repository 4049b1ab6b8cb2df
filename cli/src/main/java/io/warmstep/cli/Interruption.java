package io.warmstep.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C, or a termination by the system, that lets the work in progress come to an orderly end.
 */
final class Interruption {
  /** So long the JVM waits for the end; then it goes all the same. */
  private static final long PATIENCE_SECONDS = 30;

  private final CountDownLatch isDone = new CountDownLatch(1);
  private final Thread hook;

  private Interruption(Runnable stop) {
    hook =
        new Thread(
            () -> {
              stop.run();
              await();
            },
            "warmstep-interruption");
  }

  /**
   * From now on an interruption calls something, and the JVM goes on until {@link #end}.
   *
   * @param stop called in a thread of its own
   */
  static Interruption calls(Runnable stop) {
    Interruption interruption = new Interruption(stop);
    Runtime.getRuntime().addShutdownHook(interruption.hook);
    return interruption;
  }

  private void await() {
    try {
      if (!isDone.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("warmstep: gave up waiting for the work in progress");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The work is done: an interruption that waits for it goes on. */
  void end() {
    isDone.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is on its way down, which is what the hook is for.
    }
  }
}
