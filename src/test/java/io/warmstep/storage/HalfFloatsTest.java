package io.warmstep.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.testkit.Numbers;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every 16-bit pattern both ways, every rounding tie, and the JDK's own conversion if it has it.
 */
class HalfFloatsTest {

  private static float widen(ElementType type, short bits) {
    float[] value = new float[1];
    Storage.of(type).load(new short[] {bits}, 0, value, 0, 1);
    return value[0];
  }

  private static short narrow(ElementType type, float value) {
    short[] bits = new short[1];
    Storage.of(type).store(new float[] {value}, 0, bits, 0, 1);
    return bits[0];
  }

  private static void assertNarrows(ElementType type, float value) {
    double rounded = widen(type, narrow(type, value));
    assertEquals(
        Double.doubleToLongBits(Numbers.round(type, value)),
        Double.doubleToLongBits(rounded),
        () -> type + " of " + Float.toHexString(value) + " is " + Double.toHexString(rounded));
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void everyPatternWidensExactlyAndNarrowsBack(ElementType type) {
    for (int i = 0; i < 1 << 16; i++) {
      short bits = (short) i;
      float value = widen(type, bits);
      double expected = Numbers.decode(type, i);
      assertEquals(
          Double.doubleToLongBits(expected), Double.doubleToLongBits(value), type + " bits " + i);
      if (Double.isNaN(expected)) {
        assertTrue(Float.isNaN(widen(type, narrow(type, value))), type + " bits " + i);
      } else {
        assertEquals(bits, narrow(type, value), type + " bits " + i);
        assertEquals(bits, Numbers.encode(type, expected), "the tests' own encoding of " + i);
      }
    }
  }

  /** Computed here, where a storage looks them up; also one that fills with them. */
  @Test
  void everyPatternOfFloat16IsComputed() {
    for (int i = 0; i < 1 << 16; i++) {
      int expected = Float.floatToRawIntBits(widen(ElementType.FLOAT16, (short) i));
      float computed = HalfFloats.fromFloat16((short) i);
      assertEquals(expected, Float.floatToRawIntBits(computed), "bits " + i);
      double decoded = Numbers.decode(ElementType.FLOAT16, i);
      assertEquals(Double.doubleToLongBits(decoded), Double.doubleToLongBits(computed));
    }
  }

  @Test
  void aNanKeepsItsUpperPayloadAsFloat16() {
    assertEquals(
        0x7e00 | 0x155, HalfFloats.toFloat16(Float.intBitsToFloat(0x7f800000 | 0x155 << 13)));
    assertEquals((short) 0xfe01, HalfFloats.toFloat16(Float.intBitsToFloat(0xff802000)));
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void tiesGoToEvenAndTheirNeighboursToTheNearest(ElementType type) {
    int infinity = type == ElementType.FLOAT16 ? 0x7c00 : 0x7f80;
    for (int i = 0; i < infinity; i++) {
      double low = Numbers.decode(type, i);
      double high =
          i + 1 < infinity ? Numbers.decode(type, i + 1) : Math.scalb(1.0, maxExponent(type) + 1);
      float tie = (float) ((low + high) / 2);
      int even = (i & 1) == 0 ? i : i + 1;
      for (int sign : new int[] {0, 0x8000}) {
        float signed = sign == 0 ? tie : -tie;
        assertEquals((short) (sign | even), narrow(type, signed), "tie after " + i);
        float below = sign == 0 ? Math.nextDown(signed) : Math.nextUp(signed);
        float above = sign == 0 ? Math.nextUp(signed) : Math.nextDown(signed);
        assertEquals((short) (sign | i), narrow(type, below), "below the tie after " + i);
        assertEquals((short) (sign | (i + 1)), narrow(type, above), "above the tie after " + i);
      }
    }
  }

  private static int maxExponent(ElementType type) {
    return type == ElementType.FLOAT16 ? 15 : 127;
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void anyFloatGoesToTheNearest(ElementType type) {
    long seed = 99;
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 1_000_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt());
      assertNarrows(type, value);
    }
    for (float value :
        new float[] {
          65519.996f,
          65520,
          65535,
          1e30f,
          Float.MAX_VALUE,
          Float.MIN_VALUE,
          0x1p-25f,
          0x1.8p-25f,
          Float.MIN_NORMAL,
          0f,
          -0f,
          Float.POSITIVE_INFINITY,
          Float.NEGATIVE_INFINITY,
          Float.NaN
        }) {
      assertNarrows(type, value);
      assertNarrows(type, -value);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void aNanStaysQuietWithItsSign(ElementType type) {
    int quiet = type == ElementType.FLOAT16 ? 0x200 : 0x40;
    for (int payload = 1; payload < 1 << 23; payload = payload * 2 + 1) {
      for (int sign : new int[] {0, 0x8000}) {
        int bits = narrow(type, Float.intBitsToFloat(sign << 16 | 0x7f800000 | payload));
        assertTrue((bits & quiet) != 0, "payload " + payload);
        assertTrue(Float.isNaN(widen(type, (short) bits)), "payload " + payload);
      }
    }
  }

  /** From JDK 20 on there is a second opinion. */
  @Test
  void agreesWithTheJdkWhereItConvertsFloat16() throws Throwable {
    MethodHandle fromJdk;
    MethodHandle toJdk;
    try {
      MethodHandles.Lookup lookup = MethodHandles.publicLookup();
      fromJdk =
          lookup.findStatic(
              Float.class, "float16ToFloat", MethodType.methodType(float.class, short.class));
      toJdk =
          lookup.findStatic(
              Float.class, "floatToFloat16", MethodType.methodType(short.class, float.class));
    } catch (NoSuchMethodException e) {
      assertTrue(Runtime.version().feature() < 20, "JDK 20 and later have it");
      return;
    }
    SplittableRandom random = new SplittableRandom(7);
    for (int i = 0; i < 1 << 16; i++) {
      float expected = (float) fromJdk.invokeExact((short) i);
      assertEquals(expected, widen(ElementType.FLOAT16, (short) i));
      float any = Float.intBitsToFloat(random.nextInt());
      short bits = (short) toJdk.invokeExact(any);
      if (!Float.isNaN(any)) {
        assertEquals(bits, narrow(ElementType.FLOAT16, any));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void runsHonourOffsetsAndLengths(ElementType type) {
    short[] bits = new short[7];
    Storage.of(type).store(new float[] {9, 1, 2, 3, 9}, 1, bits, 2, 3);
    float[] back = {-1, -1, -1, -1, -1};
    Storage.of(type).load(bits, 2, back, 1, 3);
    assertEquals("[-1.0, 1.0, 2.0, 3.0, -1.0]", java.util.Arrays.toString(back));
    for (int untouched : new int[] {0, 1, 5, 6}) {
      assertEquals(0, bits[untouched]);
    }
  }
}
