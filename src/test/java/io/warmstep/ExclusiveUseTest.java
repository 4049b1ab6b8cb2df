package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Whose call it is that runs. */
class ExclusiveUseTest {
  private final ExclusiveUse use = new ExclusiveUse();

  private static boolean elsewhere(java.util.function.BooleanSupplier asked) {
    return CompletableFuture.supplyAsync(asked::getAsBoolean).join();
  }

  @Test
  void belongsToTheThreadThatEntered() {
    assertFalse(use.isOwn());
    use.enter("step()");
    assertTrue(use.isOwn());
    assertFalse(elsewhere(use::isOwn));
    assertFalse(elsewhere(() -> use.tryEnter("close()")));
    assertThrows(ConcurrentUseException.class, () -> use.enter("close()"));
    assertTrue(use.isOwn());
    use.leave();
    assertFalse(use.isOwn());
    assertTrue(elsewhere(() -> use.tryEnter("close()")));
    assertFalse(use.isOwn());
    assertFalse(use.tryEnter("step()"));
  }
}
