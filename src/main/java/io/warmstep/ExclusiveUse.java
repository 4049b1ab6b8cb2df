package io.warmstep;

import java.util.concurrent.atomic.AtomicReference;

/** Admits one call at a time to an object that is used by one thread at a time. */
final class ExclusiveUse {
  private final AtomicReference<String> running = new AtomicReference<>();

  /** The thread in that call; each thread writes only itself, so its own view is exact. */
  private volatile Thread runner;

  /**
   * Begins a call.
   *
   * @param operation what is called
   * @throws ConcurrentUseException if another call has not returned
   */
  void enter(String operation) {
    String other = running.compareAndExchange(null, operation);
    if (other != null) {
      throw new ConcurrentUseException(operation, other, runner == Thread.currentThread());
    }
    runner = Thread.currentThread();
  }

  /** Begins a call if no other one is running; whether it does. */
  boolean tryEnter(String operation) {
    boolean enters = running.compareAndSet(null, operation);
    if (enters) {
      runner = Thread.currentThread();
    }
    return enters;
  }

  /** Whether this thread is in a call. */
  boolean isOwn() {
    return runner == Thread.currentThread();
  }

  /** Ends the call that was begun. */
  void leave() {
    runner = null;
    running.set(null);
  }
}
