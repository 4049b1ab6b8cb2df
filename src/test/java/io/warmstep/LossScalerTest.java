package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.LossScaler.State;
import org.junit.jupiter.api.Test;

/** How the scale follows the steps; contract tests have it with an optimizer. */
class LossScalerTest {
  private static State after(LossScaler scaler, State restored, boolean wasFinite) {
    scaler.restore(restored);
    scaler.update(wasFinite);
    return scaler.state();
  }

  @Test
  void theScaleGrowsAfterTheLastStepOfTheInterval() {
    LossScaler scaler = LossScaler.dynamic(4, 2, 0.5, 3);
    assertEquals(new State(4, 1), after(scaler, new State(4, 0), true));
    assertEquals(new State(4, 2), after(scaler, new State(4, 1), true));
    assertEquals(new State(8, 0), after(scaler, new State(4, 2), true));
    assertEquals(new State(2, 0), after(scaler, new State(4, 2), false));
    assertEquals(new State(8, 0), after(LossScaler.dynamic(4, 2, 0.5, 1), new State(4, 0), true));
  }

  @Test
  void aCountBeyondTheIntervalGrowsTheScaleAtOnce() {
    LossScaler scaler = LossScaler.dynamic(4, 2, 0.5, 3);
    for (int steps : new int[] {3, 4, Integer.MAX_VALUE - 1, Integer.MAX_VALUE}) {
      assertEquals(new State(8, 0), after(scaler, new State(4, steps), true));
      assertEquals(new State(2, 0), after(scaler, new State(4, steps), false));
    }
  }

  @Test
  void theLongestIntervalIsCountedToItsEnd() {
    int longest = Integer.MAX_VALUE;
    LossScaler scaler = LossScaler.dynamic(4, 2, 0.5, longest);
    assertEquals(new State(4, longest - 1), after(scaler, new State(4, longest - 2), true));
    assertEquals(new State(8, 0), after(scaler, new State(4, longest - 1), true));
    assertEquals(new State(8, 0), after(scaler, new State(4, longest), true));
  }

  @Test
  void aFixedScaleStays() {
    LossScaler scaler = LossScaler.fixed(4);
    for (int steps : new int[] {0, Integer.MAX_VALUE - 1, Integer.MAX_VALUE}) {
      assertEquals(4, after(scaler, new State(4, steps), true).scale());
      assertEquals(4, after(scaler, new State(4, steps), false).scale());
    }
  }

  @Test
  void anUpdateSaysWhetherTheScaleIsAnother() {
    LossScaler scaler = LossScaler.dynamic(4, 2, 0.5, 2);
    assertFalse(scaler.update(true));
    assertTrue(scaler.update(true));
    assertTrue(scaler.update(false));
    assertFalse(LossScaler.fixed(4).update(false));
  }

  @Test
  void theScaleGrowsUpToTheLargestFloat() {
    double half = Float.MAX_VALUE / 2;
    LossScaler scaler = LossScaler.dynamic(half, 2, 0.5, 1);
    assertEquals(new State(Float.MAX_VALUE, 0), after(scaler, new State(half, 0), true));
    assertEquals(new State(Float.MAX_VALUE, 0), after(scaler, new State(Float.MAX_VALUE, 0), true));
  }

  @Test
  void growthIsAboveOneAndAFloat() {
    assertEquals(
        new State(Float.MAX_VALUE, 0),
        after(LossScaler.dynamic(1, Float.MAX_VALUE, 0.5, 1), new State(1, 0), true));
    for (double growth : new double[] {1, 2.0 * Float.MAX_VALUE, Double.NaN}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> LossScaler.dynamic(4, growth, 0.5, 10));
      assertTrue(e.getMessage().contains("growthFactor is " + growth), e.getMessage());
    }
  }

  @Test
  void nothingIsRestoredFromNoState() {
    LossScaler scaler = LossScaler.fixed(4);
    NullPointerException e = assertThrows(NullPointerException.class, () -> scaler.restore(null));
    assertTrue(e.getMessage().contains("pass one that state() returned"), e.getMessage());
  }
}
