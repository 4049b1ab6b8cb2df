package io.warmstep.math;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PowersTest {
  @Test
  void powersOfTwoAndTheEndsAreExact() {
    assertEquals(0x1p-10, Powers.power(0.5, 10));
    assertEquals(0x1p-1000, Powers.power(0.5, 1000));
    assertEquals(1, Powers.power(0.3, 0));
    assertEquals(0.3, Powers.power(0.3, 1));
    assertEquals(1, Powers.power(1, 1e18));
    assertEquals(1, Powers.power(1, 2.5));
    assertEquals(0, Powers.power(0, 2));
    assertEquals(0, Powers.power(0, 2.5));
    assertEquals(0, Powers.power(0.999, 1e18));
  }

  @Test
  void agreesWithThePlatform() {
    long seed = 8;
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 20_000; i++) {
      // Results down to about 1e-260, so that none of them is subnormal.
      double exponent = Math.pow(10, -2 + 9 * random.nextDouble());
      exponent = random.nextBoolean() ? Math.ceil(exponent) : exponent;
      double base = Math.exp(-600 * random.nextDouble() / exponent);
      double expected = Math.pow(base, exponent);
      assertEquals(
          expected,
          Powers.power(base, exponent),
          3e-13 * expected,
          "seed " + seed + ": " + base + "^" + exponent);
    }
  }

  @Test
  void takesBasesAbove1() {
    long seed = 10;
    SplittableRandom random = new SplittableRandom(seed);
    assertEquals(1, Powers.power(1e6, 0));
    assertEquals(1e12, Powers.power(1e6, 2));
    for (int i = 0; i < 20_000; i++) {
      double base = Math.pow(10, 9 * random.nextDouble());
      double exponent = 3 * random.nextDouble();
      double expected = Math.pow(base, exponent);
      assertEquals(
          expected,
          Powers.power(base, exponent),
          3e-13 * expected,
          "seed " + seed + ": " + base + "^" + exponent);
    }
  }

  @Test
  void wholeExponentsAreRoundedFromTheExactPower() {
    long seed = 9;
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 300; i++) {
      double base = 1 - Math.pow(10, -6 * random.nextDouble());
      int exponent = 1 + random.nextInt(3000);
      double expected = new BigDecimal(base).pow(exponent, new MathContext(40)).doubleValue();
      assertEquals(
          expected,
          Powers.power(base, exponent),
          Math.ulp(expected),
          "seed " + seed + ": " + base + "^" + exponent);
    }
  }
}
