package io.warmstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.ReferenceRandom;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RandomRoundingTest {
  private static final int LENGTH = 5000;

  @ParameterizedTest
  @CsvSource({
    "0, 1, 0, 0, 0",
    "-5124095576030430, 77, 3, 2, 100",
    "81985529216486895, 4294967297, 65536, 5, 2047",
    "3, 2, 1, 15, 17592186044416", // a run whose number has more than 32 bits
  })
  void theNumbersAreThoseOfPhilox(long seed, long step, int parameter, int operand, long element) {
    RandomRounding random = new RandomRounding();
    random.counters(seed, step, parameter, operand);
    int[] drawn = new int[LENGTH];
    random.draw(element, drawn, LENGTH);
    for (int i = 0; i < LENGTH; i++) {
      int expected = ReferenceRandom.bits(seed, step, parameter, operand, element + i);
      assertEquals(expected, drawn[i], "element " + (element + i));
    }
  }

  @Test
  void theNumbersDecideWhichNeighbourIsStored() {
    RandomRounding random = new RandomRounding();
    random.counters(7, 1, 2, 0);
    SplittableRandom numbers = new SplittableRandom(4);
    float[] values = new float[LENGTH + 3];
    for (int i = 0; i < values.length; i++) {
      // Also the largest, which do not become infinite, and infinities.
      int sign = numbers.nextInt(2) << 31;
      values[i] =
          Float.intBitsToFloat(sign | 0x7f800000 - numbers.nextInt(2) * numbers.nextInt(0x18000));
    }
    short[] stored = new short[LENGTH + 2];
    random.store(1000, values, 3, stored, 1, LENGTH);
    for (int i = 0; i < LENGTH; i++) {
      double expected =
          ReferenceRandom.round(values[3 + i], ReferenceRandom.bits(7, 1, 2, 0, 1000 + i));
      assertEquals(expected, HalfFloats.fromBfloat16(stored[1 + i]), "element " + i);
    }
    assertEquals(0, stored[0]);
    assertEquals(0, stored[LENGTH + 1]);
  }

  @Test
  void aNanStaysQuietWithItsSignAndUpperPayload() {
    RandomRounding random = new RandomRounding();
    short[] stored = new short[2];
    float[] nans = {Float.intBitsToFloat(0x7f800001), Float.intBitsToFloat(0xffa20000)};
    random.store(0, nans, 0, stored, 0, 2);
    assertEquals(0x7fc0, stored[0]);
    assertEquals((short) 0xffe2, stored[1]);
    assertTrue(Float.isNaN(HalfFloats.fromBfloat16(stored[0])));
  }
}
