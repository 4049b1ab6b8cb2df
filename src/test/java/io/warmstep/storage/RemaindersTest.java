package io.warmstep.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.testkit.Reference24;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Float32 numbers, of all bits and of 24, as bfloat16 and what that lacks. */
class RemaindersTest {
  private static final int CORRECTIONS = 256;
  private static final Remainders REMAINDERS = new Remainders();

  /** Every bfloat16 with every correction is a number that is stored as these two, or a NaN. */
  @Test
  void everyPatternOf24BitsIsStoredAsItWasRead() {
    short[] upper = new short[CORRECTIONS];
    short[] rest = new short[CORRECTIONS];
    for (int i = 0; i < CORRECTIONS; i++) {
      rest[i] = (short) (i << 8);
    }
    short[] upperAgain = new short[CORRECTIONS];
    short[] restAgain = new short[CORRECTIONS];
    float[] values = new float[CORRECTIONS];
    for (int p = 0; p < 0x10000; p++) {
      Arrays.fill(upper, (short) p);
      REMAINDERS.join(upper, 0, rest, 0, values, 0, CORRECTIONS);
      REMAINDERS.split24(values, 0, null, upperAgain, restAgain, CORRECTIONS);
      for (int i = 0; i < CORRECTIONS; i++) {
        int bits = ((p << 8) + (byte) i) << 8;
        boolean isNan = (bits & 0x7fffffff) > 0x7f800000;
        float alone = Float.intBitsToFloat(p << 16); // where the correction is ignored
        float expected = isNan ? alone : Float.intBitsToFloat(bits);
        String where = Integer.toHexString(p) + ", " + i;
        assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(values[i]), where);
        if (Float.isNaN(expected)) {
          assertEquals(0x7fc0, upperAgain[i], where);
          assertEquals(0, restAgain[i], where);
        } else {
          assertEquals((short) p, upperAgain[i], where);
          assertEquals(isNan ? 0 : rest[i], restAgain[i], where);
        }
      }
    }
  }

  @Test
  void allBitsOfANumberAreKeptAndANanHasNoRemainder() {
    float[] values = {
      1.2345678f,
      -0f,
      Float.MAX_VALUE,
      Float.MIN_VALUE,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.intBitsToFloat(0xff800001)
    };
    int length = values.length;
    short[] upper = new short[length + 1];
    short[] rest = new short[length + 2];
    float[] joined = new float[length];
    Remainders.split(values, 0, upper, 1, rest, 2, length);
    REMAINDERS.join(upper, 1, rest, 2, joined, 0, length);
    assertArrayEquals(Arrays.copyOf(values, length - 1), Arrays.copyOf(joined, length - 1));
    assertEquals(0x7f80, upper[5]);
    assertEquals(0x7fc0, upper[length]);
    assertEquals(0, rest[length + 1]);
  }

  /** 1 / 3 is not what its float16 says; of the second somebody wrote the float16 alone. */
  @Test
  void mastersOfOtherRoundedValuesAreReplacedByThese() {
    float[] masters = {7, 1 / 3f, 1 / 3f, 7};
    short third = HalfFloats.toFloat16(1 / 3f);
    short two = HalfFloats.toFloat16(2);
    Remainders.reconcile(masters, 1, new short[] {0, 0, third, two, 0}, 2, 2);
    assertArrayEquals(new float[] {7, 1 / 3f, 2, 7}, masters);
  }

  private static float rounded(float value, int[] random) {
    short[] upper = new short[1];
    short[] rest = new short[1];
    float[] values = {value};
    REMAINDERS.split24(values, 0, random, upper, rest, 1);
    assertEquals(0, rest[0] & 0xff);
    REMAINDERS.join(upper, 0, rest, 0, values, 0, 1);
    // The parameter is the nearest to the rounded number, and not to the number itself.
    int bits = Float.floatToRawIntBits(values[0]);
    assertTrue(Float.isNaN(value) || upper[0] == (short) ((bits + 0x8000) >>> 16));
    return values[0];
  }

  private static void assertRounded(int expected, int bits) {
    assertEquals(expected, Float.floatToRawIntBits(rounded(Float.intBitsToFloat(bits), null)));
    assertEquals(
        expected ^ 0x80000000,
        Float.floatToRawIntBits(rounded(Float.intBitsToFloat(bits ^ 0x80000000), null)));
  }

  @Test
  void tiesGoToEven() {
    assertRounded(0x3f800000, 0x3f80007f);
    assertRounded(0x3f800000, 0x3f800080);
    assertRounded(0x3f800100, 0x3f800081);
    assertRounded(0x3f800200, 0x3f800180);
    assertRounded(0, 0x80); // subnormal
    assertRounded(0x100, 0x81);
    assertRounded(0x800000, 0x7fff80); // the least normal number
    assertRounded(0x3f808000, 0x3f807f81); // over the middle between two bfloat16
  }

  /** As IEEE 754 has it: from the middle between the largest number and 2^128 on. */
  @Test
  void onlyWhatIsBeyondBecomesInfinite() {
    assertRounded(0x7f7fff00, 0x7f7fff7f);
    assertRounded(0x7f800000, 0x7f7fff80);
    assertRounded(0x7f800000, 0x7f7fffff);
    assertRounded(0x7f800000, 0x7f800000);
    int[] most = {0xff};
    assertEquals(0x1.fffep127f, rounded(Float.MAX_VALUE, most));
    assertEquals(-0x1.fffep127f, rounded(-Float.MAX_VALUE, most));
    assertEquals(Float.POSITIVE_INFINITY, rounded(Float.POSITIVE_INFINITY, most));
    assertEquals(Float.NEGATIVE_INFINITY, rounded(Float.NEGATIVE_INFINITY, most));
  }

  @Test
  void notNumbersStayNotNumbers() {
    for (int bits : new int[] {0x7fffffff, 0xffffffff, 0x7f800001, 0xff8000ff, 0x7fc00000}) {
      for (int[] random : new int[][] {null, {0}, {0xff}}) {
        assertTrue(Float.isNaN(rounded(Float.intBitsToFloat(bits), random)));
      }
    }
  }

  @Test
  void agreesWithDistances() {
    SplittableRandom random = new SplittableRandom(24);
    for (int i = 0; i < 1_000_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt());
      int drawn = random.nextInt() & 0xffff;
      String where = Integer.toHexString(Float.floatToRawIntBits(value)) + ", " + drawn;
      assertEquals(
          Float.floatToIntBits(Reference24.nearest(value)),
          Float.floatToIntBits(rounded(value, null)),
          where);
      assertEquals(
          Float.floatToIntBits(Reference24.random(value, drawn)),
          Float.floatToIntBits(rounded(value, new int[] {drawn})),
          where);
    }
  }

  @Test
  void twoShareAWord() {
    for (int length = 0; length < 9; length++) {
      short[] rest = new short[length];
      for (int i = 0; i < length; i++) {
        rest[i] = (short) (0x7b00 + 0x3100 * i);
      }
      short[] packed = rest.clone();
      Remainders.pack(packed, length);
      for (int i = 0; i < length; i++) {
        assertEquals(rest[i] >> 8 & 0xff, packed[i / 2] >> (8 * (i % 2)) & 0xff);
      }
      Arrays.fill(packed, (int) Remainders.words(length), length, (short) 0x5a5a);
      Remainders.unpack(packed, length);
      assertArrayEquals(rest, packed);
    }
  }

  /** What steps use, several blocks at a time, as what views use, one number at a time. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 1023, 1024, 1025, 5000})
  void areTheSameInWords(int length) {
    SplittableRandom numbers = new SplittableRandom(length);
    float[] values = new float[length + 3];
    int[] random = new int[length];
    for (int i = 0; i < length; i++) {
      int nearInfinity = numbers.nextInt(2) << 31 | 0x7f800000 + numbers.nextInt(-0x180, 2);
      int bits = numbers.nextInt(4) == 0 ? nearInfinity : numbers.nextInt();
      values[3 + i] = Float.intBitsToFloat(bits);
      random[i] = numbers.nextInt(1 << 16);
    }
    for (int[] drawn : new int[][] {null, random}) {
      short[] upper = new short[length];
      short[] words = new short[(int) Remainders.words(length)];
      REMAINDERS.pack24(values, 3, drawn, upper, words, length);
      float[] joined = new float[length + 2];
      REMAINDERS.join24(upper, words, joined, 2, length);
      for (int i = 0; i < length; i++) {
        float value = values[3 + i];
        float expected =
            drawn == null ? Reference24.nearest(value) : Reference24.random(value, drawn[i]);
        assertEquals(expected, joined[2 + i], "element " + i);
      }
    }
  }
}
