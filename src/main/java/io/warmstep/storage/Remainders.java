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
 *
 * <p>What a step does goes over a block several times, in loops over ints that C2 vectorizes. Used
 * by one thread at a time.
 */
public final class Remainders {
  private static final int BLOCK = 1024;
  private static final int INFINITE = 0x7f800000;
  private static final int MAGNITUDE = 0x7fffffff;

  private final FloatBits copies = new FloatBits(BLOCK);
  private final int[] bits = new int[BLOCK];
  private final int[] drawn = new int[BLOCK];

  /** Makes room for a block. */
  public Remainders() {}

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
  public void join(
      short[] upper, int from, short[] rest, int restFrom, float[] values, int to, int length) {
    int[] joined = bits;
    for (int at = 0; at < length; at += BLOCK) {
      int n = Math.min(BLOCK, length - at);
      for (int i = 0; i < n; i++) {
        joined[i] = (upper[from + at + i] << 16) + rest[restFrom + at + i];
      }
      writeJoined(values, to + at, n);
    }
  }

  /**
   * The same of 24 bits.
   *
   * @param upper their bfloat16s from index 0 on
   * @param words their remainders from index 0 on, two to a word
   * @param values receives the numbers
   * @param to its first index
   * @param length how many
   */
  public void join24(short[] upper, short[] words, float[] values, int to, int length) {
    int[] joined = bits;
    for (int at = 0; at < length; at += BLOCK) {
      int n = Math.min(BLOCK, length - at);
      for (int i = 0; i < n / 2; i++) {
        int word = words[at / 2 + i];
        joined[2 * i] = (upper[at + 2 * i] << 16) + (word << 24 >> 16);
        joined[2 * i + 1] = (upper[at + 2 * i + 1] << 16) + (word & ~0xff);
      }
      if (n % 2 == 1) {
        joined[n - 1] = (upper[at + n - 1] << 16) + (words[(at + n) / 2] << 24 >> 16);
      }
      writeJoined(values, to + at, n);
    }
  }

  /** Copies numbers of a block to an array; a NaN's remainder counts as 0. */
  private void writeJoined(float[] values, int to, int n) {
    int[] joined = bits;
    for (int i = 0; i < n; i++) {
      int sum = joined[i];
      int ifNan = (INFINITE - (sum & MAGNITUDE)) >> 31;
      joined[i] = sum - (sum << 16 >> 16 & ifNan);
    }
    copies.toFloats(joined, values, to, n);
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
  public void split24(
      float[] values, int from, int[] random, short[] upper, short[] rest, int length) {
    int[] rounded = bits;
    for (int at = 0; at < length; at += BLOCK) {
      int n = Math.min(BLOCK, length - at);
      round24(values, from + at, random, at, n);
      writeUpper(upper, at, n);
      for (int i = 0; i < n; i++) {
        rest[at + i] = (short) rounded[i];
      }
    }
  }

  /**
   * The same, with two remainders to a word, from an even element of a parameter on.
   *
   * @param values the numbers
   * @param from the first index
   * @param random null to round to nearest even, or for each number from index 0 on bits of which
   *     the lower 8 decide
   * @param upper receives their bfloat16s
   * @param words receives their remainders
   * @param length how many
   */
  public void pack24(
      float[] values, int from, int[] random, short[] upper, short[] words, int length) {
    int[] rounded = bits;
    for (int at = 0; at < length; at += BLOCK) {
      int n = Math.min(BLOCK, length - at);
      round24(values, from + at, random, at, n);
      writeUpper(upper, at, n);
      for (int i = 0; i < n / 2; i++) {
        words[at / 2 + i] = (short) ((rounded[2 * i] >>> 8 & 0xff) | (rounded[2 * i + 1] & 0xff00));
      }
      if (n % 2 == 1) {
        words[(at + n) / 2] = (short) (rounded[n - 1] >>> 8 & 0xff);
      }
    }
  }

  /** The bits of numbers, rounded to the upper 24; of each NaN the same. */
  private void round24(float[] values, int from, int[] random, int randomFrom, int n) {
    int[] rounded = bits;
    copies.toInts(values, from, rounded, n);
    if (random == null) {
      for (int i = 0; i < n; i++) {
        int before = rounded[i];
        int ifNan = (INFINITE - (before & MAGNITUDE)) >> 31;
        int sum = (before + 0x7f + (before >>> 8 & 1)) & ~0xff;
        rounded[i] = (sum & ~ifNan) | (0x7fc00000 & ifNan);
      }
      return;
    }
    int[] added = drawn;
    System.arraycopy(random, randomFrom, added, 0, n);
    for (int i = 0; i < n; i++) {
      int before = rounded[i];
      int magnitude = before & MAGNITUDE;
      int ifNan = (INFINITE - magnitude) >> 31;
      int ifFinite = (magnitude - INFINITE) >> 31;
      int sum = (before + (added[i] & 0xff)) & ~0xff;
      int ifBeyond = ifFinite & ~(((sum & MAGNITUDE) - INFINITE) >> 31);
      rounded[i] = ((sum - (ifBeyond & 0x100)) & ~ifNan) | (0x7fc00000 & ifNan);
    }
  }

  private void writeUpper(short[] upper, int to, int n) {
    int[] rounded = bits;
    for (int i = 0; i < n; i++) {
      upper[to + i] = (short) ((rounded[i] + 0x8000) >>> 16);
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
