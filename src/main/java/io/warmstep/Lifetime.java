package io.warmstep;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Whether an object is still open. An object that is collected without having been closed is logged
 * with the place where it was opened.
 */
final class Lifetime {
  private static final Cleaner CLEANER = Cleaner.create();
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final String what;
  private final AtomicBoolean closed = new AtomicBoolean();

  private Lifetime(String what) {
    this.what = what;
  }

  static Lifetime begin(Object owner, String what) {
    Lifetime lifetime = new Lifetime(what);
    AtomicBoolean closed = lifetime.closed; // not the owner, which must stay collectable
    Throwable opened = new Throwable("opened here");
    CLEANER.register(
        owner,
        () -> {
          if (!closed.get()) {
            LOG.log(System.Logger.Level.WARNING, what + " was never closed", opened);
          }
        });
    return lifetime;
  }

  /** For an object that holds nothing of its own, so that leaving it to the collector is fine. */
  static Lifetime unreported(String what) {
    return new Lifetime(what);
  }

  void checkOpen() {
    if (closed.get()) {
      throw new ClosedException(what);
    }
  }

  boolean isOpen() {
    return !closed.get();
  }

  /** Ends the lifetime; true for the one call that did. */
  boolean end() {
    return closed.compareAndSet(false, true);
  }
}
