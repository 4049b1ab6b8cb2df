package io.warmstep;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/**
 * Working memory that is used by one thread at a time and kept for the next use. Where two threads
 * meet, the second makes another.
 *
 * @param <T> what is kept
 */
final class Spare<T> {
  private final Supplier<T> maker;
  private final AtomicReference<T> kept = new AtomicReference<>();

  /**
   * Nothing is kept yet.
   *
   * @param maker makes one
   */
  Spare(Supplier<T> maker) {
    this.maker = maker;
  }

  /** The one that is kept, or a new one. It is the caller's until {@link #giveBack}. */
  T take() {
    T one = kept.getAndSet(null);
    return one == null ? maker.get() : one;
  }

  /** Keeps it, or one of those that several threads give back. */
  void giveBack(T one) {
    kept.set(one);
  }
}
