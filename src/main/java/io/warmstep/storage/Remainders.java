package io.warmstep.storage;

/**
 * A float32 number as a bfloat16 and the 16 bits that this lacks. The bfloat16 is the number
 * rounded to nearest, ties away from zero, so that the remainder is one of 16 bits with a sign:
 * {@code bits = (bfloat16 << 16) + remainder}. A NaN is 0x7FC0 and 0; where the sum would be a NaN
 * because somebody wrote the bfloat16 alone, the remainder counts as 0.
 *
 * <p>A number of 24 bits is the upper 24 of a float32 whose lower 8 are 0, and so are those of its
 * remainder: 8 bits are left, which are kept two to a word, with the lower element in the lower
 * byte. Float32 is rounded to it to nearest even, as IEEE 754 rounds: what is nearer to 2^128 than
 * to the largest finite number, or as near to both, becomes infinite. At random, a finite number
 * stays finite.
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
   * Rounds numbers to 24 bits, and takes them apart. The lower 8 bits of the remainders are 0.
   *
   * @param values the numbers
   * @param from the first index
   * @param random null to round to nearest even, or for each number from index 0 on bits of which
   *     the lower 8 decide
   * @param upper receives their bfloat16s
   * @param rest receives their remainders
   * @param length how many
   */
  public static void split24(
      float[] values, int from, int[] random, short[] upper, short[] rest, int length) {
    for (int i = 0; i < length; i++) {
      int bits = Float.floatToRawIntBits(values[from + i]);
      int magnitude = bits & 0x7fffffff;
      int rounded =
          (random == null ? bits + 0x7f + (bits >>> 8 & 1) : bits + (random[i] & 0xff)) & ~0xff;
      if (random != null && magnitude < 0x7f800000 && (rounded & 0x7fffffff) == 0x7f800000) {
        rounded -= 0x100;
      }
      boolean isNan = magnitude > 0x7f800000;
      upper[i] = (short) (isNan ? 0x7fc0 : (rounded + 0x8000) >>> 16);
      rest[i] = (short) (isNan ? 0 : rounded);
    }
  }

  /**
   * Counts words of 16 bits.
   *
   * @param elements of a parameter
   * @return how many its remainders of 8 bits take
   */
  public static long words(long elements) {
    return elements / 2 + elements % 2;
  }

  /**
   * Puts remainders of 8 bits into words, from an even element of a parameter on.
   *
   * @param rest remainders whose lower 8 bits are 0; receives the words at its beginning
   * @param length how many remainders
   */
  public static void pack(short[] rest, int length) {
    for (int i = 0; i < length / 2; i++) {
      rest[i] = (short) ((rest[2 * i] >>> 8 & 0xff) | (rest[2 * i + 1] & 0xff00));
    }
    if (length % 2 == 1) {
      rest[length / 2] = (short) (rest[length - 1] >>> 8 & 0xff);
    }
  }

  /**
   * Takes words apart again.
   *
   * @param rest the words from index 0 on; receives the remainders
   * @param length how many remainders
   */
  public static void unpack(short[] rest, int length) {
    if (length % 2 == 1) {
      rest[length - 1] = (short) (rest[length / 2] << 8);
    }
    for (int i = length / 2 - 1; i >= 0; i--) {
      int word = rest[i];
      rest[2 * i] = (short) (word << 8);
      rest[2 * i + 1] = (short) (word & 0xff00);
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
