package io.warmstep.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CapturedScaleTest {
  private static CapturedScale scale(double gradientScale, int growthInterval) {
    return new CapturedScale(gradientScale, 2, 0.5, growthInterval, 0);
  }

  @Test
  void gradientsAreMultipliedByTheFactorOverTheLossScale() {
    GradientScale at = scale(0.75, 1).at(8);
    assertEquals(0.75 / 8, at.scale());
    assertEquals(0.75f / 8, at.floatScale());
    assertEquals(1, at.floatPrescale());
  }

  /** A factor of 1 over the loss scale is in range if that is a normal float32 number. */
  @ParameterizedTest
  @CsvSource({
    "0x1p126, true",
    "0x1.8p126, false", // 0x1.55p-127
    "0x1.00000001p126, true", // just below 2^-126, to which it is rounded
    "0x1p-127, true",
    "0x1p-128, false",
    "0x1.00000001p-128, false", // just below 2^128, to which it is rounded
    "0x1.01p-128, true",
    "1, true",
  })
  void aLossScaleIsInRangeIfTheFactorOfGradientsIsANormalFloat(String lossScale, boolean isIn) {
    double scale = Double.parseDouble(lossScale);
    assertEquals(isIn, scale(1, 1).isInRange(scale));
    assertEquals(isIn, scale(1, 1).staysInRange(scale, 0));
  }

  @Test
  void someStepsMayHalveOrDoubleIt() {
    CapturedScale one = scale(1, 1);
    assertTrue(one.staysInRange(0x1p124, 2));
    assertFalse(one.staysInRange(0x1p124, 3));
    assertTrue(one.staysInRange(0x1p-125, 2));
    assertFalse(scale(0x1p120, 1).staysInRange(0x1p-5, 3), "2^128");
    assertTrue(scale(0x1p120, 1).staysInRange(0x1p-5, 2), "2^127");
    assertTrue(scale(1, 0).staysInRange(0x1p124, 3), "without a loss scale it stays");
  }

  /** The greatest and the least normal float32 number are as far as a loss scale goes. */
  @Test
  void itStaysWithinTheNormalFloats() {
    double only = Float.MAX_VALUE * 0x1p-126; // over either it is a normal float32 number
    assertTrue(scale(only, 1).staysInRange(1, 1000));
    assertFalse(scale(Math.nextUp((float) only), 1).staysInRange(1, 1000));
    assertFalse(scale(Math.nextDown((float) only), 1).staysInRange(1, 1000));
  }
}
