package io.warmstep.storage;

/**
 * A float32 number as a bfloat16 and the 16 bits that this lacks. The bfloat16 is the number
 * rounded to nearest, ties away from zero, so that the remainder is one of 16 bits with a sign:
 * {@code bits = (bfloat16 << 16) + remainder}. A NaN is 0x7FC0 and 0; where the sum would be a NaN
 * because somebody wrote the bfloat16 alone, the remainder counts as 0.
 */
public final class Remainders {
  private Remainders() {}

  /**
   * Puts numbers together.
   *
   * @param upper their bfloat16s
   * @param from its first index
   * @param rest their remainders
   * @param restFrom its first index
   * @param values receives the numbers
   * @param to its first index
   * @param length how many
   */
  public static void join(
      short[] upper, int from, short[] rest, int restFrom, float[] values, int to, int length) {
    for (int i = 0; i < length; i++) {
      values[to + i] = Float.intBitsToFloat(join(upper[from + i], rest[restFrom + i]));
    }
  }

  private static int join(short upper, short rest) {
    int bits = (upper << 16) + rest;
    return (bits & 0x7fffffff) > 0x7f800000 ? upper << 16 : bits;
  }

  /**
   * Takes numbers apart.
   *
   * @param values the numbers
   * @param from the first index
   * @param upper receives their bfloat16s
   * @param to its first index
   * @param rest receives their remainders
   * @param restTo its first index
   * @param length how many
   */
  public static void split(
      float[] values, int from, short[] upper, int to, short[] rest, int restTo, int length) {
    for (int i = 0; i < length; i++) {
      int bits = Float.floatToRawIntBits(values[from + i]);
      boolean isNan = (bits & 0x7fffffff) > 0x7f800000;
      upper[to + i] = (short) (isNan ? 0x7fc0 : (bits + 0x8000) >>> 16);
      rest[restTo + i] = (short) (isNan ? 0 : bits);
    }
  }

  /**
   * Replaces masters of which a parameter is not the rounded value by the parameter: somebody wrote
   * that alone.
   *
   * @param masters float32 numbers, replaced in place
   * @param at the first index
   * @param halves bits of the parameter in float16
   * @param from their first index
   * @param length how many
   */
  public static void reconcile(float[] masters, int at, short[] halves, int from, int length) {
    for (int i = 0; i < length; i++) {
      if (HalfFloats.toFloat16(masters[at + i]) != halves[from + i]) {
        masters[at + i] = HalfFloats.fromFloat16(halves[from + i]);
      }
    }
  }
}
