package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.function.BooleanSupplier;

/** Collects garbage until something has come of it. */
public final class Garbage {
  private static final long PATIENCE_MILLIS = 20_000;

  private Garbage() {}

  /** Collects until a condition holds, or for twenty seconds. */
  public static void collectUntil(BooleanSupplier condition) {
    long end = System.currentTimeMillis() + PATIENCE_MILLIS;
    while (!condition.getAsBoolean() && System.currentTimeMillis() < end) {
      System.gc();
      pause();
    }
  }

  /** Collects until what is unreachable now is gone and whoever waits for that had time to act. */
  public static void collect() {
    ReferenceQueue<Object> queue = new ReferenceQueue<>();
    PhantomReference<Object> canary = new PhantomReference<>(new Object(), queue);
    collectUntil(() -> queue.poll() == canary);
    assertTrue(canary.refersTo(null), "garbage is collected");
    for (int i = 0; i < 10; i++) { // what that made unreachable, too
      System.gc();
      pause();
    }
  }

  private static void pause() {
    try {
      Thread.sleep(20);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
