package io.warmstep.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.ReferenceCodes;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is left of numbers that are stored as codes of 8 bits. */
class StateCodesTest {
  private static float[] roundTrip(float[] values, boolean areSquares, int[] random) {
    int groups = (int) StateCodes.groups(values.length);
    short[] codes = new short[(int) StateCodes.firstCode(groups)];
    short[] scales = new short[groups];
    new StateEncoder().encode(values, 0, areSquares, random, codes, scales, values.length);
    float[] left = new float[values.length];
    StateCodes.decode(codes, scales, areSquares, left, 0, values.length);
    return left;
  }

  private static float[] normals(SplittableRandom random, int length, boolean areSquares) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      double x = Math.scalb(random.nextGaussian(), random.nextInt(-20, 8));
      values[i] = (float) (areSquares ? x * x : x);
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 31, 32, 33, 4095, 4096, 4097})
  void areThoseOfTheReference(int length) {
    SplittableRandom random = new SplittableRandom(length);
    float[] ordinary = normals(random, length, false);
    float[] any = Numbers.floats(Numbers.adversarial(random, ElementType.FLOAT32, length));
    for (float[] values : new float[][] {ordinary, any}) {
      double[] moments = ReferenceCodes.moments(Numbers.doubles(values));
      Bits.assertSame(moments, Numbers.doubles(roundTrip(values, false, null)), () -> "moments");
      float[] squares = new float[length];
      int[] bits = new int[length];
      for (int i = 0; i < length; i++) {
        squares[i] = values[i] * values[i];
        bits[i] = random.nextInt(1 << 16);
      }
      double[] nearest = ReferenceCodes.squares(Numbers.doubles(squares), null);
      Bits.assertSame(nearest, Numbers.doubles(roundTrip(squares, true, null)), () -> "squares");
      double[] rounded = ReferenceCodes.squares(Numbers.doubles(squares), i -> bits[i]);
      Bits.assertSame(rounded, Numbers.doubles(roundTrip(squares, true, bits)), () -> "random");
    }
  }

  /** Numbers from one range for as long as a group or two. */
  private static float[] ranges(SplittableRandom random, int length) {
    float[] corners = {
      0,
      -0f,
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.MAX_VALUE,
      -Float.MAX_VALUE,
      Float.MIN_VALUE,
      0x1p126f,
      -0x1.000002p126f,
      0x1.fep63f,
      0x1p127f
    };
    float[] values = new float[length];
    int range = 0;
    float scale = 0;
    for (int i = 0; i < length; i++) {
      if (i % 48 == 0) {
        range = random.nextInt(6);
        scale = (float) Math.scalb(1 + random.nextDouble(), random.nextInt(-149, 128));
      }
      float corner = corners[random.nextInt(corners.length)];
      int code = random.nextInt(128);
      float ofCode = scale * (code + random.nextInt(2) / 2f) / (254 - code);
      values[i] =
          switch (range) {
            case 0 -> random.nextInt(40) == 0 ? corner : (float) random.nextGaussian();
            case 1 -> random.nextInt(3) == 0 ? corner : 0;
            case 2 -> scale * (float) random.nextGaussian();
            case 3 -> Math.nextAfter(ofCode, random.nextInt(-1, 2));
            case 4 -> scale * (float) Math.pow(random.nextInt(254) / 253.0, 8);
            default -> (float) Math.scalb(2 * random.nextDouble() - 1, 128);
          };
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 29, 64, 1023, 1025, 40_003})
  void areThoseOfTheReferenceInAnyRange(int length) {
    SplittableRandom random = new SplittableRandom(length);
    for (int trial = 0; trial < 10; trial++) {
      float[] values = ranges(random, length);
      double[] numbers = Numbers.doubles(values);
      int[] bits = random.ints(length, 0, 1 << 16).toArray();
      Arrays.setAll(bits, i -> random.nextInt(8) == 0 ? bits[i] % 2 * 0xffff : bits[i]);
      double[] moments = ReferenceCodes.moments(numbers);
      Bits.assertSame(moments, Numbers.doubles(roundTrip(values, false, null)), () -> "moments");
      double[] nearest = ReferenceCodes.squares(numbers, null);
      Bits.assertSame(nearest, Numbers.doubles(roundTrip(values, true, null)), () -> "squares");
      double[] rounded = ReferenceCodes.squares(numbers, i -> bits[i]);
      Bits.assertSame(rounded, Numbers.doubles(roundTrip(values, true, bits)), () -> "random");
    }
  }

  @Test
  void errorsAreBounded() {
    SplittableRandom random = new SplittableRandom(7);
    float[] moments = normals(random, 1 << 16, false);
    float[] left = roundTrip(moments, false, null);
    float[] squares = normals(random, 1 << 16, true);
    float[] leftSquares = roundTrip(squares, true, null);
    for (int i = 0; i < moments.length; i++) {
      int first = i / StateCodes.GROUP * StateCodes.GROUP;
      double largest = 0;
      double largestRoot = 0;
      for (int j = first; j < first + StateCodes.GROUP; j++) {
        largest = Math.max(largest, Math.abs(moments[j]));
        largestRoot = Math.max(largestRoot, Math.sqrt(squares[j]));
      }
      assertEquals(moments[i], left[i], 0.0081 * largest);
      double code = 253 * Math.pow(Math.sqrt(squares[i]) / largestRoot, 0.25);
      assertEquals(code, 253 * Math.pow(Math.sqrt(leftSquares[i]) / largestRoot, 0.25), 0.51);
    }
  }

  @Test
  void whatWasReadIsWrittenToTheSameBits() {
    SplittableRandom random = new SplittableRandom(9);
    for (boolean areSquares : new boolean[] {false, true}) {
      float[] once = roundTrip(normals(random, 10_001, areSquares), areSquares, null);
      assertArrayEquals(once, roundTrip(once, areSquares, null));
    }
  }

  @Test
  void numbersThatAreNoneLeaveTheirGroupAlone() {
    float[] values = new float[64];
    Arrays.fill(values, 0, 32, 0.5f);
    values[3] = Float.NaN;
    values[4] = Float.POSITIVE_INFINITY;
    float[] moments = roundTrip(values, false, null);
    float[] squares = roundTrip(values, true, null);
    for (int i = 0; i < values.length; i++) {
      boolean isNone = i == 3 || i == 4;
      assertEquals(isNone ? Float.NaN : values[i], moments[i]);
      assertEquals(values[i], squares[i], 0.5f * 0.01f); // the scale is rounded up
    }
  }

  @Test
  void largeNumbersSaturate() {
    float[] values = {Float.MAX_VALUE, -Float.MAX_VALUE, 0x1p126f, 0x1p125f, 0};
    float[] left = roundTrip(values, false, null);
    assertEquals(0x1p126f, left[0]);
    assertEquals(-0x1p126f, left[1]);
    assertEquals(0x1p126f, left[2]);
    assertEquals(0x1p125f, left[3], 0x1p125f * 0.01f);
    float[] squares = roundTrip(new float[] {Float.MAX_VALUE, 1}, true, null);
    assertEquals(Float.MAX_VALUE, squares[0], Float.MAX_VALUE * 0.01f);
    assertTrue(squares[1] >= 0 && Float.isFinite(squares[1]));
  }

  /**
   * Where each code would be rounded the same way, the mean of many would be off by up to a half.
   */
  @Test
  void randomRoundingIsRightOnAverage() {
    RandomRounding rounding = new RandomRounding();
    int[] bits = new int[32];
    float[] values = new float[32];
    Arrays.fill(values, 0.3f * 0.3f);
    values[0] = 1;
    double sum = 0;
    int trials = 4096;
    for (int step = 1; step <= trials; step++) {
      rounding.counters(5, step, 0, 3);
      rounding.draw(0, bits, 32);
      float[] left = roundTrip(values, true, bits);
      for (int i = 1; i < 32; i++) {
        sum += Math.sqrt(Math.sqrt(Math.sqrt(left[i]))) * 253;
      }
    }
    // 127,000 draws, each with a standard deviation of at most 0.5: five of the mean's are 0.007.
    assertEquals(Math.sqrt(Math.sqrt(0.3)) * 253, sum / (31.0 * trials), 0.0071);
  }

  /** What a file may have is what is written, of any numbers. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatIsWrittenIsValid(boolean areSquares) {
    SplittableRandom random = new SplittableRandom(11);
    int length = 100_000;
    short[] codes = new short[(int) StateCodes.firstCode(StateCodes.groups(length))];
    short[] scales = new short[(int) StateCodes.groups(length)];
    float[] values = ranges(random, length);
    Arrays.fill(values, 0, 32, 0);
    values[3] = Float.POSITIVE_INFINITY;
    values[4] = Float.NaN;
    new StateEncoder().encode(values, 0, areSquares, null, codes, scales, length);
    int zeros = 0;
    for (int i = 0; i < length; i++) {
      short scale = scales[i / StateCodes.GROUP];
      int code = codes[i / 2] >>> (i % 2 * 8) & 0xff;
      assertTrue(StateCodes.isScale(scale, areSquares), () -> "scale " + scale);
      if (scale == 0) {
        zeros += code == 0 ? 0 : 1;
        assertTrue(StateCodes.needsNoScale(code, areSquares), () -> "code " + code);
      }
    }
    assertTrue(zeros >= 2, "codes of no number beside a scale of 0");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whereAGroupEndsEarlyTheRestOfItsCodesIsZero(boolean areSquares) {
    short[] codes = new short[StateCodes.GROUP];
    Arrays.fill(codes, (short) -1);
    float[] values = {1, 2, 3};
    new StateEncoder().encode(values, 0, areSquares, null, codes, new short[1], 3);
    assertEquals(0, codes[1] >>> 8, "beside the last");
    for (int i = 2; i < StateCodes.GROUP / 2; i++) {
      assertEquals(0, codes[i], "word " + i);
    }
    assertEquals(-1, codes[StateCodes.GROUP / 2], "of the next group");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theLargestIsWhatAllLargerAreReadAs(boolean areSquares) {
    float[] values = {Float.MAX_VALUE};
    float[] read = new float[1];
    short[] codes = new short[StateCodes.GROUP / 2];
    short[] scales = new short[1];
    new StateEncoder().encode(values, 0, areSquares, null, codes, scales, 1);
    StateCodes.decode(codes, scales, areSquares, read, 0, 1);
    assertEquals(read[0], StateCodes.largest(areSquares));
  }
}
