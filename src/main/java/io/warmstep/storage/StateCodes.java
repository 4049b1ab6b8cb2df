package io.warmstep.storage;

import java.util.Arrays;

/**
 * Numbers as codes of 8 bits. Every 32 elements, counted from a parameter's first, are a group with
 * a scale of their own; the last may be short. Memory has 16-bit words: of all groups the codes,
 * two to a word with the lower element in the lower byte, and then the scales. It is 34 bytes for
 * 32 elements.
 *
 * <p>A scale is the upper 16 bits of a float32 without its sign, rounded up. Codes of moments have
 * a sign and go with {@code 2x / (1 + x)} where x is the share of the scale, at most 1. Codes of
 * squares go with the fourth root of the share that the number's root has of the scale: an average
 * of squares may span many powers of ten, and must not become 0 beside a larger one, since
 * something is divided by it. NaN and infinities have codes of their own and are no part of the
 * largest number: the group's other elements stay what they are.
 *
 * <p>What was read and is written again gives the same bits, unless it was rounded at random.
 */
public final class StateCodes {
  /** Elements of a group. */
  public static final int GROUP = 32;

  private static final int CODE_WORDS = GROUP / 2;
  private static final int INFINITE = 0x7f800000;

  /** Of moments: 2^126, so that twice the scale is finite. Larger numbers count as that. */
  private static final int MAX_SCALE = 0xfd00;

  /** Of squares: the largest whose square is finite. */
  private static final int MAX_ROOT = 0xbeff;

  private static final int MAX_MOMENT = 127;
  private static final int NAN_MOMENT = 128; // -128 as a byte

  private static final int MAX_SQUARE = 253;
  private static final int INFINITE_SQUARE = 254;
  private static final int NAN_SQUARE = 255;

  /** Of the largest code of a square to the power 2. */
  private static final float PER_SQUARE = 1f / (MAX_SQUARE * MAX_SQUARE);

  private static final float[] MOMENTS = moments();
  private static final float[] SQUARES = squares();

  private StateCodes() {}

  /** The share of the scale for each code. */
  private static float[] moments() {
    float[] shares = new float[256];
    for (int code = 0; code < 256; code++) {
      int magnitude = Math.abs((byte) code);
      float share = (float) magnitude / (float) (2 * MAX_MOMENT - magnitude);
      shares[code] = (byte) code < 0 ? -share : share;
    }
    shares[NAN_MOMENT] = Float.NaN;
    return shares;
  }

  /** The share of the scale that the root has for each code. */
  private static float[] squares() {
    float[] shares = new float[256];
    for (int code = 0; code <= MAX_SQUARE; code++) {
      float root = code * code * PER_SQUARE;
      shares[code] = root * root;
    }
    shares[INFINITE_SQUARE] = Float.POSITIVE_INFINITY;
    shares[NAN_SQUARE] = Float.NaN;
    return shares;
  }

  /**
   * Counts groups.
   *
   * @param elements of a parameter
   * @return how many groups they are
   */
  public static long groups(long elements) {
    return (elements + GROUP - 1) / GROUP;
  }

  /**
   * Counts words.
   *
   * @param elements of a parameter
   * @return how many words of 16 bits codes and scales take
   */
  public static long words(long elements) {
    return groups(elements) * (CODE_WORDS + 1);
  }

  /**
   * Where scales begin.
   *
   * @param elements of a parameter
   * @return the word of the first group's scale
   */
  public static long firstScale(long elements) {
    return groups(elements) * CODE_WORDS;
  }

  /**
   * Where codes lie.
   *
   * @param groups how many groups come before
   * @return the word of the next group's first codes
   */
  public static long firstCode(long groups) {
    return groups * CODE_WORDS;
  }

  /**
   * Reads numbers.
   *
   * @param codes words of codes from the first group on
   * @param scales of the groups
   * @param areSquares whether the codes are of squares
   * @param values receives the numbers
   * @param to its first index
   * @param length how many
   */
  public static void decode(
      short[] codes, short[] scales, boolean areSquares, float[] values, int to, int length) {
    for (int first = 0, group = 0; first < length; first += GROUP, group++) {
      float scale = scale(scales[group]);
      int n = Math.min(GROUP, length - first);
      for (int i = 0; i < n; i += 2) {
        int word = codes[(first + i) >> 1];
        values[to + first + i] = number(word & 0xff, areSquares, scale);
        if (i + 1 < n) {
          values[to + first + i + 1] = number(word >>> 8 & 0xff, areSquares, scale);
        }
      }
    }
  }

  private static float number(int code, boolean areSquares, float scale) {
    if (!areSquares) {
      return MOMENTS[code] * scale + 0f; // a code of 0 has no sign
    }
    // An infinity of a group whose finite numbers are all 0 has the scale 0.
    float root = code == INFINITE_SQUARE ? SQUARES[code] : SQUARES[code] * scale;
    return root * root;
  }

  /**
   * The largest number that codes stand for, with the largest scale.
   *
   * @param areSquares whether they are of squares
   * @return what it and all larger finite numbers are read as
   */
  public static float largest(boolean areSquares) {
    return areSquares
        ? number(MAX_SQUARE, true, scale((short) MAX_ROOT))
        : number(MAX_MOMENT, false, scale((short) MAX_SCALE));
  }

  private static float scale(short word) {
    return Float.intBitsToFloat((word & 0xffff) << 15);
  }

  /** The 16 bits of the least scale that is no less than a number of these bits. */
  private static int scaleBits(int largest) {
    return (largest + 0x7fff) >>> 15;
  }

  /**
   * Stores numbers. Goes over them several times, since the loops that divide and take roots are
   * vectorized where they do nothing else.
   *
   * @param values the numbers
   * @param from the first index
   * @param areSquares whether they are squares
   * @param random 16 bits for each number, to round it up or down at random; null rounds to nearest
   * @param codes receives words of codes, zeros where a group ends early
   * @param scales receives the scales
   * @param length how many, from the first of a group
   * @param shares room for as many numbers
   * @param divisors room for as many numbers
   */
  public static void encode(
      float[] values,
      int from,
      boolean areSquares,
      int[] random,
      short[] codes,
      short[] scales,
      int length,
      float[] shares,
      float[] divisors) {
    if (areSquares) {
      for (int i = 0; i < length; i++) {
        shares[i] = (float) Math.sqrt(values[from + i]);
      }
    } else {
      for (int i = 0; i < length; i++) {
        shares[i] = Math.abs(values[from + i]);
      }
    }
    scale(shares, scales, divisors, areSquares ? MAX_ROOT : MAX_SCALE, length);
    if (areSquares) {
      for (int i = 0; i < length; i++) {
        shares[i] = (float) Math.sqrt((float) Math.sqrt(shares[i] / divisors[i]));
      }
      pack(shares, random, codes, length);
    } else {
      for (int i = 0; i < length; i++) {
        float magnitude = Math.min(shares[i], divisors[i]);
        shares[i] = (magnitude + magnitude) / (divisors[i] + magnitude);
      }
      pack(shares, values, from, codes, length);
    }
  }

  /** Finds the scale of each group, and what its elements are divided by: 1 if that is 0. */
  private static void scale(
      float[] magnitudes, short[] scales, float[] divisors, int most, int length) {
    for (int first = 0, group = 0; first < length; first += GROUP, group++) {
      int end = Math.min(first + GROUP, length);
      int largest = 0;
      for (int i = first; i < end; i++) {
        int magnitude = Float.floatToRawIntBits(magnitudes[i]) & 0x7fffffff;
        largest = Math.max(largest, magnitude < INFINITE ? magnitude : 0);
      }
      int bits = Math.min(scaleBits(largest), most);
      scales[group] = (short) bits;
      Arrays.fill(divisors, first, end, bits == 0 ? 1 : scale((short) bits));
    }
  }

  /** Of squares. */
  private static void pack(float[] shares, int[] random, short[] codes, int length) {
    for (int i = 0; i < length; i += 2) {
      int low = square(shares[i], random == null ? 0.5f : random[i] * 0x1p-16f);
      int high = 0;
      if (i + 1 < length) {
        high = square(shares[i + 1], random == null ? 0.5f : random[i + 1] * 0x1p-16f);
      }
      codes[i >> 1] = (short) (low | high << 8);
    }
    clearRest(codes, length);
  }

  /** Of moments. */
  private static void pack(float[] shares, float[] values, int from, short[] codes, int length) {
    for (int i = 0; i < length; i += 2) {
      int low = moment(values[from + i], shares[i]);
      int high = i + 1 < length ? moment(values[from + i + 1], shares[i + 1]) : 0;
      codes[i >> 1] = (short) (low | high << 8);
    }
    clearRest(codes, length);
  }

  private static void clearRest(short[] codes, int length) {
    Arrays.fill(codes, (length + 1) >> 1, (int) firstCode(groups(length)), (short) 0);
  }

  private static int moment(float value, float share) {
    if (!(Math.abs(value) < Float.POSITIVE_INFINITY)) {
      return NAN_MOMENT;
    }
    int code = (int) (share * MAX_MOMENT + 0.5f);
    return value < 0 ? -code & 0xff : code;
  }

  private static int square(float share, float threshold) {
    if (!(share < Float.POSITIVE_INFINITY)) {
      return Float.isNaN(share) ? NAN_SQUARE : INFINITE_SQUARE;
    }
    return Math.min((int) (share * MAX_SQUARE + threshold), MAX_SQUARE);
  }
}
