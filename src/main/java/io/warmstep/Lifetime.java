package io.warmstep;

import io.warmstep.backend.BackendDevice;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Whether an object is still open. An object that is collected without having been closed is logged
 * with the place where it was opened, and its resources are returned to its device.
 */
final class Lifetime {
  private static final Cleaner CLEANER = Cleaner.create();
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final String what;

  /** Parts of the owner share this object, and so keep the owner and its resources alive. */
  @SuppressWarnings("unused")
  private final Object owner;

  private final Remains remains;

  private Lifetime(Object owner, String what, Throwable opened) {
    this.what = what;
    this.owner = owner;
    this.remains = new Remains(what, opened);
    CLEANER.register(owner, remains);
  }

  /**
   * What remains after the owner is gone. It must not refer to the owner, which it would keep
   * alive.
   */
  private static final class Remains implements Runnable {
    private final String what;
    private final Throwable opened;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile Runnable release;

    Remains(String what, Throwable opened) {
      this.what = what;
      this.opened = opened;
    }

    @Override
    public void run() {
      if (!closed.compareAndSet(false, true)) {
        return;
      }
      if (opened != null) {
        LOG.log(System.Logger.Level.WARNING, what + " was never closed", opened);
      }
      try {
        if (release != null) {
          release.run();
        }
      } catch (RuntimeException | Error e) { // which the cleaner would swallow
        LOG.log(System.Logger.Level.WARNING, "what " + what + " held cannot be freed", e);
      }
    }
  }

  static Lifetime begin(Object owner, String what) {
    return new Lifetime(owner, what, new Throwable("opened here"));
  }

  /** For an object that may be left to the collector. */
  static Lifetime unreported(Object owner, String what) {
    return new Lifetime(owner, what, null);
  }

  /**
   * Sets the action if the owner is lost.
   *
   * @param release the action; does not refer to the owner
   */
  void ifLost(Runnable release) {
    remains.release = release;
  }

  /**
   * Sets the action on a device if the owner is lost.
   *
   * @param release frees the owner's device resources; does not refer to the owner
   */
  void ifLost(BackendDevice device, Runnable release) {
    ifLost(() -> device.reclaim(release));
  }

  void checkOpen() {
    if (!isOpen()) {
      throw new ClosedException(what);
    }
  }

  boolean isOpen() {
    return !remains.closed.get();
  }

  /** Ends the lifetime; true for the one call that did. */
  boolean end() {
    boolean ended = remains.closed.compareAndSet(false, true);
    if (ended) {
      remains.release = null; // so that a closed handle keeps nothing alive
    }
    return ended;
  }
}
