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

  /** Of moments: 2^126, so that twice the scale is finite. Larger numbers count as that. */
  static final int MAX_SCALE = 0xfd00;

  /** Of squares: the largest whose square is finite. */
  static final int MAX_ROOT = 0xbeff;

  static final int MAX_MOMENT = 127;
  static final int NAN_MOMENT = 128; // -128 as a byte

  static final int MAX_SQUARE = 253;
  static final int INFINITE_SQUARE = 254;
  static final int NAN_SQUARE = 255;

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
    int groups = length / GROUP;
    if (areSquares) {
      decodeSquares(codes, scales, values, to, groups);
    } else {
      decodeMoments(codes, scales, values, to, groups);
    }
    decodeEach(codes, scales, areSquares, values, to, groups * GROUP, length);
  }

  /** Of a group that ends early, or whose scale is 0. */
  private static void decodeEach(
      short[] codes,
      short[] scales,
      boolean areSquares,
      float[] values,
      int to,
      int first,
      int end) {
    for (int i = first; i < end; i++) {
      int code = codes[i / 2] >>> (i % 2 * 8) & 0xff;
      float scale = scale(scales[i / GROUP]);
      values[to + i] = areSquares ? square(code, scale) : moment(code, scale);
    }
  }

  private static void decodeMoments(
      short[] codes, short[] scales, float[] values, int to, int groups) {
    for (int group = 0; group < groups; group++) {
      float scale = scale(scales[group]);
      int code = group * CODE_WORDS;
      int at = to + group * GROUP;
      for (int i = 0; i < CODE_WORDS; i++) {
        int word = codes[code + i];
        values[at + 2 * i] = moment(word & 0xff, scale);
        values[at + 2 * i + 1] = moment(word >>> 8 & 0xff, scale);
      }
    }
  }

  private static void decodeSquares(
      short[] codes, short[] scales, float[] values, int to, int groups) {
    for (int group = 0; group < groups; group++) {
      float scale = scale(scales[group]);
      int code = group * CODE_WORDS;
      int at = to + group * GROUP;
      if (scale == 0) {
        decodeEach(codes, scales, true, values, to, group * GROUP, (group + 1) * GROUP);
        continue;
      }
      for (int i = 0; i < CODE_WORDS; i++) {
        int word = codes[code + i];
        float low = SQUARES[word & 0xff] * scale;
        float high = SQUARES[word >>> 8 & 0xff] * scale;
        values[at + 2 * i] = low * low;
        values[at + 2 * i + 1] = high * high;
      }
    }
  }

  private static float moment(int code, float scale) {
    return MOMENTS[code] * scale + 0f; // a code of 0 has no sign
  }

  private static float square(int code, float scale) {
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
        ? square(MAX_SQUARE, scale((short) MAX_ROOT))
        : moment(MAX_MOMENT, scale((short) MAX_SCALE));
  }

  /**
   * Whether a word can be a group's scale. None has a sign.
   *
   * @param word of 16 bits
   * @param areSquares whether it is of squares
   * @return false above the largest scale, as infinities and NaN are
   */
  public static boolean isScale(short word, boolean areSquares) {
    return (word & 0xffff) <= (largestScale(areSquares) & 0xffff);
  }

  /**
   * The largest scale.
   *
   * @param areSquares whether it is of squares
   * @return its word
   */
  public static short largestScale(boolean areSquares) {
    return (short) (areSquares ? MAX_ROOT : MAX_SCALE);
  }

  /**
   * Whether a code stands for the same whatever its group's scale is: in a group with a scale of 0,
   * all do.
   *
   * @param code of 8 bits
   * @param areSquares whether it is of a square
   * @return true for 0 and what is not finite
   */
  public static boolean needsNoScale(int code, boolean areSquares) {
    return code == 0
        || (areSquares ? code == INFINITE_SQUARE || code == NAN_SQUARE : code == NAN_MOMENT);
  }

  /**
   * A scale as a number.
   *
   * @param word of 16 bits
   * @return what the largest code stands for or, of squares, the root of that
   */
  public static float scale(short word) {
    return Float.intBitsToFloat((word & 0xffff) << 15);
  }

  /** The 16 bits of the least scale that is no less than a number of these bits. */
  static int scaleBits(int largest) {
    return (largest + 0x7fff) >>> 15;
  }
}
