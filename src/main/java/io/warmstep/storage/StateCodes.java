package io.warmstep.storage;

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
  private static final int LARGEST_SCALE = 0xfd00;

  /** Of squares: the largest whose square is finite. */
  private static final int LARGEST_ROOT = 0xbeff;

  private static final int MOST_MOMENT = 127;
  private static final int NAN_MOMENT = 128; // -128 as a byte

  private static final int MOST_SQUARE = 253;
  private static final int INFINITE_SQUARE = 254;
  private static final int NAN_SQUARE = 255;

  /** Of the largest code of a square to the power 2. */
  private static final float PER_SQUARE = 1f / (MOST_SQUARE * MOST_SQUARE);

  private static final float[] MOMENTS = moments();
  private static final float[] SQUARES = squares();

  private StateCodes() {}

  /** The share of the scale for each code. */
  private static float[] moments() {
    float[] shares = new float[256];
    for (int code = 0; code < 256; code++) {
      int magnitude = Math.abs((byte) code);
      float share = (float) magnitude / (float) (2 * MOST_MOMENT - magnitude);
      shares[code] = (byte) code < 0 ? -share : share;
    }
    shares[NAN_MOMENT] = Float.NaN;
    return shares;
  }

  /** The share of the scale that the root has for each code. */
  private static float[] squares() {
    float[] shares = new float[256];
    for (int code = 0; code <= MOST_SQUARE; code++) {
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
    for (int i = 0; i < length; i++) {
      int code = codes[i >> 1] >>> ((i & 1) << 3) & 0xff;
      float scale = scale(scales[i / GROUP]);
      if (areSquares) {
        // An infinity of a group whose finite numbers are all 0 has the scale 0.
        float root = code == INFINITE_SQUARE ? SQUARES[code] : SQUARES[code] * scale;
        values[to + i] = root * root;
      } else {
        values[to + i] = MOMENTS[code] * scale + 0f; // a code of 0 has no sign
      }
    }
  }

  private static float scale(short word) {
    return Float.intBitsToFloat((word & 0xffff) << 15);
  }

  /** The 16 bits of the least scale that is no less than a number of these bits. */
  private static int scaleBits(int largest) {
    return (largest + 0x7fff) >>> 15;
  }

  /**
   * Stores numbers.
   *
   * @param values the numbers
   * @param from the first index
   * @param areSquares whether they are squares
   * @param random 16 bits for each number, to round it up or down at random; null rounds to nearest
   * @param codes receives words of codes, zeros where a group ends early
   * @param scales receives the scales
   * @param length how many, from the first of a group
   */
  public static void encode(
      float[] values,
      int from,
      boolean areSquares,
      int[] random,
      short[] codes,
      short[] scales,
      int length) {
    for (int first = 0, group = 0; first < length; first += GROUP, group++) {
      int n = Math.min(GROUP, length - first);
      int largest = 0;
      for (int i = 0; i < n; i++) {
        float value = values[from + first + i];
        float x = areSquares ? (float) Math.sqrt(value) : value;
        int magnitude = Float.floatToRawIntBits(x) & 0x7fffffff;
        largest = Math.max(largest, magnitude < INFINITE ? magnitude : 0);
      }
      int bits = Math.min(scaleBits(largest), areSquares ? LARGEST_ROOT : LARGEST_SCALE);
      scales[group] = (short) bits;
      float scale = scale((short) bits);
      for (int i = 0; i < GROUP; i += 2) {
        codes[(first + i) >> 1] =
            (short)
                (code(values, from, first + i, length, areSquares, random, scale)
                    | code(values, from, first + i + 1, length, areSquares, random, scale) << 8);
      }
    }
  }

  private static int code(
      float[] values, int from, int at, int length, boolean areSquares, int[] random, float scale) {
    if (at >= length) {
      return 0;
    }
    float value = values[from + at];
    return areSquares
        ? square(value, scale, random == null ? 0.5f : random[at] * 0x1p-16f)
        : moment(value, scale);
  }

  private static int moment(float value, float scale) {
    if (!(Math.abs(value) < Float.POSITIVE_INFINITY)) {
      return NAN_MOMENT;
    }
    if (scale == 0) {
      return 0;
    }
    float magnitude = Math.min(Math.abs(value), scale);
    float share = (magnitude + magnitude) / (scale + magnitude);
    int code = (int) (share * MOST_MOMENT + 0.5f);
    return value < 0 ? -code & 0xff : code;
  }

  private static int square(float value, float scale, float threshold) {
    float root = (float) Math.sqrt(value);
    if (Float.isNaN(root)) {
      return NAN_SQUARE;
    }
    if (root == Float.POSITIVE_INFINITY) {
      return INFINITE_SQUARE;
    }
    if (scale == 0) {
      return 0;
    }
    float share = (float) Math.sqrt((float) Math.sqrt(root / scale));
    return Math.min((int) (share * MOST_SQUARE + threshold), MOST_SQUARE);
  }
}
