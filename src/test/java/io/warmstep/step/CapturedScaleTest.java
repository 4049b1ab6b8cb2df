package io.warmstep.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CapturedScaleTest {
  /** Which halves or doubles. */
  private static CapturedScale scale(int growthInterval) {
    return new CapturedScale(1, 2, 0.5, growthInterval, 0);
  }

  @Test
  void gradientsAreMultipliedByTheFactorOverTheLossScale() {
    GradientScale at = CapturedScale.at(0.75, 8);
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
    assertEquals(isIn, CapturedScale.isInRange(1, scale));
    assertEquals(isIn, scale(1).staysInRange(1, scale, 0));
  }

  @Test
  void someStepsMayHalveOrDoubleIt() {
    CapturedScale moving = scale(1);
    assertTrue(moving.staysInRange(1, 0x1p124, 2));
    assertFalse(moving.staysInRange(1, 0x1p124, 3));
    assertTrue(moving.staysInRange(1, 0x1p-125, 2));
    assertFalse(moving.staysInRange(0x1p120, 0x1p-5, 3), "2^128");
    assertTrue(moving.staysInRange(0x1p120, 0x1p-5, 2), "2^127");
    assertTrue(scale(0).staysInRange(1, 0x1p124, 3), "without a loss scale it stays");
  }

  /** The greatest and the least normal float32 number are as far as a loss scale goes. */
  @Test
  void itStaysWithinTheNormalFloats() {
    double only = Float.MAX_VALUE * 0x1p-126; // over either it is a normal float32 number
    assertTrue(scale(1).staysInRange(only, 1, 1000));
    assertFalse(scale(1).staysInRange(Math.nextUp((float) only), 1, 1000));
    assertFalse(scale(1).staysInRange(Math.nextDown((float) only), 1, 1000));
  }
}
