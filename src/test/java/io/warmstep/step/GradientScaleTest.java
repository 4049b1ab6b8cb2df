package io.warmstep.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GradientScaleTest {
  @ParameterizedTest
  @CsvSource({
    "0x1.8p0, 1, 0x1.8p0, 0x1.8p0, 0",
    "0x1.8p127, 1, 0x1.8p127, 0x1.8p0, 127",
    "0x1.8p128, 2, 0x1.8p127, 0x1.8p0, 128",
    "0x1.8p150, 0x1p23, 0x1.8p127, 0x1.8p0, 150",
    "0x1.8p-126, 1, 0x1.8p-126, 0x1.8p0, -126",
    "0x1.8p-127, 0x1p-127, 0x1.8p0, 0x1.8p0, -127",
    "0x1.8p-160, 0x1p-149, 0x1.8p-11, 0x1.8p0, -160",
    "0x1.ffffffffp3, 1, 16, 1, 4", // rounded up to a power of two
  })
  void aFactorIsAPowerOfTwoAndANormalFloat(
      String factor, String prescale, String rest, String mantissa, int exponent) {
    GradientScale scale = new GradientScale();
    scale.set(Double.parseDouble(factor));
    assertEquals(Double.parseDouble(factor), scale.scale());
    assertEquals(Float.parseFloat(prescale), scale.floatPrescale());
    assertEquals(Float.parseFloat(rest), scale.floatScale());
    assertEquals(Float.parseFloat(mantissa), scale.mantissa());
    assertEquals(exponent, scale.exponent());
  }

  @Test
  void aUsersFactorIsANormalFloat() {
    GradientScale.require(1);
    for (double factor : new double[] {0, -1, 0x1p-127, 0x1p128, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> GradientScale.require(factor));
    }
  }
}
