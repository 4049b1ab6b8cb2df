package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.function.Supplier;

/** Compares values by their bits; every NaN is equal to every other. */
public final class Bits {
  private Bits() {}

  public static void assertSame(double[] expected, double[] actual, Supplier<String> what) {
    if (expected.length != actual.length) {
      fail(what.get() + ": " + actual.length + " elements instead of " + expected.length);
    }
    for (int i = 0; i < expected.length; i++) {
      if (Double.doubleToLongBits(expected[i]) != Double.doubleToLongBits(actual[i])) {
        fail(
            what.get()
                + ": element "
                + i
                + " of "
                + expected.length
                + " is "
                + Double.toHexString(actual[i])
                + " instead of "
                + Double.toHexString(expected[i]));
      }
    }
  }
}
