package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.Garbage;
import io.warmstep.testkit.LoggedWarnings;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

/** What comes of objects that are closed, and of those that are lost. */
class LifetimeTest {
  private static void lose(String what) {
    Lifetime.unreported(new Object(), what)
        .ifLost(
            () -> {
              throw new IllegalStateException("gone");
            });
  }

  @Test
  void whatCannotBeFreedIsLogged() {
    try (LoggedWarnings log = new LoggedWarnings()) {
      lose("thing");
      Garbage.collectUntil(() -> !ofThing(log).isEmpty());
      assertEquals(
          List.of("what thing held cannot be freed"),
          ofThing(log).stream().map(LogRecord::getMessage).toList());
      assertEquals("gone", ofThing(log).get(0).getThrown().getMessage());
    }
  }

  /** Beside what is said of objects that other tests have lost. */
  private static List<LogRecord> ofThing(LoggedWarnings log) {
    return log.records().stream().filter(its -> its.getMessage().contains("thing")).toList();
  }

  /** Lets a lifetime free something, and leaves that to it alone. */
  private static WeakReference<List<String>> hold(Lifetime lifetime) {
    List<String> held = new ArrayList<>();
    lifetime.ifLost(held::clear);
    return new WeakReference<>(held);
  }

  @Test
  void oneCallEndsItAndNothingIsKept() {
    Object owner = new Object();
    Lifetime lifetime = Lifetime.begin(owner, "thing");
    WeakReference<List<String>> held = hold(lifetime);
    assertTrue(lifetime.isOpen());
    assertTrue(lifetime.end());
    Garbage.collectUntil(() -> held.get() == null);
    assertEquals(null, held.get());
    assertFalse(lifetime.end());
    assertFalse(lifetime.isOpen());
  }
}
