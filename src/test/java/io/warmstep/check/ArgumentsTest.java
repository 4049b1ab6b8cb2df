package io.warmstep.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Both sides of each bound, and the one form of the messages. */
class ArgumentsTest {
  private static final double NAN = Double.NaN;
  private static final double INF = Double.POSITIVE_INFINITY;

  private static void refused(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
  }

  @Test
  void nonNegative() {
    for (double value : new double[] {0, -0.0, Double.MIN_VALUE, Double.MAX_VALUE}) {
      Arguments.requireNonNegative("x", value, "pass 1");
    }
    for (double value : new double[] {-Double.MIN_VALUE, -1, -INF, INF, NAN}) {
      refused(
          "x is " + value + ", must be finite and at least 0: pass 1",
          () -> Arguments.requireNonNegative("x", value, "pass 1"));
    }
  }

  @Test
  void positive() {
    for (double value : new double[] {Double.MIN_VALUE, 1, Double.MAX_VALUE}) {
      Arguments.requirePositive("x", value, "pass 1");
    }
    for (double value : new double[] {0, -0.0, -Double.MIN_VALUE, -INF, INF, NAN}) {
      refused(
          "x is " + value + ", must be finite and above 0: pass 1",
          () -> Arguments.requirePositive("x", value, "pass 1"));
    }
  }

  @Test
  void normalFloat32() {
    for (double value : new double[] {Float.MIN_NORMAL, 1, Float.MAX_VALUE}) {
      Arguments.requireNormalFloat32("x", value, "pass 1");
    }
    double below = Math.nextDown((double) Float.MIN_NORMAL);
    double above = Math.nextUp((double) Float.MAX_VALUE);
    for (double value : new double[] {0, below, above, -1, INF, NAN}) {
      refused(
          "x is " + value + ", must be above 0 and a normal float32 number: pass 1",
          () -> Arguments.requireNormalFloat32("x", value, "pass 1"));
    }
  }

  @Test
  void atLeast() {
    for (long value : new long[] {3, 4, Long.MAX_VALUE}) {
      Arguments.requireAtLeast("n", value, 3, "pass 3");
    }
    for (long value : new long[] {2, -4, Long.MIN_VALUE}) {
      refused(
          "n is " + value + ", must be at least 3: pass 3",
          () -> Arguments.requireAtLeast("n", value, 3, "pass 3"));
    }
  }

  @Test
  void anyRange() {
    Arguments.require(true, "x", 0.5, "in [0, 1)", "pass 0.9");
    refused(
        "x is 1.0, must be in [0, 1): pass 0.9",
        () -> Arguments.require(false, "x", 1, "in [0, 1)", "pass 0.9"));
  }

  @Test
  void present() {
    Arguments.requirePresent("x", "", "pass one");
    String message =
        assertThrows(
                NullPointerException.class, () -> Arguments.requirePresent("x", null, "pass one"))
            .getMessage();
    assertEquals("x is null, must be given: pass one", message);
  }
}
