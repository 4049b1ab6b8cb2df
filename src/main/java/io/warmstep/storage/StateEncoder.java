package io.warmstep.storage;

import java.util.Arrays;

/**
 * Writes the codes of {@link StateCodes}. It goes over a block several times, in loops that C2
 * vectorizes: over one index, without branches, over floats or over ints alone. Elements that need
 * more, which are not finite or beyond the largest scale, are corrected afterwards, in blocks that
 * have any. Used by one thread at a time.
 */
public final class StateEncoder {
  private static final int BLOCK = 1024;
  private static final int GROUP = StateCodes.GROUP;
  private static final int INFINITE = 0x7f800000;
  private static final int MAGNITUDE = 0x7fffffff;

  private final FloatBits copies = new FloatBits(BLOCK);
  private final float[] numbers = new float[BLOCK];
  private final float[] divisors = new float[BLOCK];
  private final float[] thresholds = new float[BLOCK];
  private final int[] bits = new int[BLOCK];
  private final int[] halves = new int[BLOCK];
  private final int[] encoded = new int[BLOCK];

  /** Makes room for a block. */
  public StateEncoder() {}

  /**
   * Stores numbers.
   *
   * @param values the numbers
   * @param from the first index
   * @param areSquares whether they are squares
   * @param random 16 bits for each square, to round it up or down at random; null rounds to nearest
   * @param codes receives words of codes, zeros where a group ends early
   * @param scales receives the scales
   * @param length how many, from the first of a group
   */
  public void encode(
      float[] values,
      int from,
      boolean areSquares,
      int[] random,
      short[] codes,
      short[] scales,
      int length) {
    for (int at = 0; at < length; at += BLOCK) {
      int n = Math.min(BLOCK, length - at);
      int covered = (int) StateCodes.groups(n) * GROUP;
      System.arraycopy(values, from + at, numbers, 0, n);
      Arrays.fill(numbers, n, covered, 0); // whose code is 0
      if (areSquares) {
        drawThresholds(random, at, n);
        encodeSquares(scales, at / GROUP, covered);
      } else {
        encodeMoments(scales, at / GROUP, covered);
      }
      pack(codes, at / 2, covered / 2);
    }
  }

  private void encodeMoments(short[] scales, int group, int n) {
    float[] x = numbers;
    float[] scale = divisors;
    int[] signed = bits;
    int[] code = encoded;
    copies.toInts(x, 0, signed, n);
    boolean isOrdinary = scale(scales, group, StateCodes.MAX_SCALE, n);
    for (int i = 0; i < n; i++) {
      float magnitude = Math.abs(x[i]);
      float share = (magnitude + magnitude) / (scale[i] + magnitude);
      // From 2^7 on, the bits of a sum begin with its whole part. It is rounded to a multiple of
      // 2^-16, which half of that, subtracted before, makes one that is not above the exact sum.
      x[i] = (share * StateCodes.MAX_MOMENT + 0.5f) - 0x1p-17f + 0x1p7f;
    }
    copies.toInts(x, 0, code, n);
    for (int i = 0; i < n; i++) {
      int sign = signed[i] >> 31;
      int magnitude = code[i] >> 16 & 0x7f;
      code[i] = ((magnitude ^ sign) - sign) & 0xff;
    }
    if (!isOrdinary) {
      for (int i = 0; i < n; i++) {
        int magnitude = signed[i] & MAGNITUDE;
        if (magnitude >= INFINITE) {
          code[i] = StateCodes.NAN_MOMENT;
        } else if (magnitude > Float.floatToRawIntBits(scale[i])) {
          code[i] = (signed[i] < 0 ? -StateCodes.MAX_MOMENT : StateCodes.MAX_MOMENT) & 0xff;
        }
      }
    }
  }

  /** What is added to a square's share of the codes before it is rounded down, and 1. */
  private void drawThresholds(int[] random, int from, int n) {
    if (random == null) {
      Arrays.fill(thresholds, 1.5f);
      return;
    }
    int[] one = encoded;
    System.arraycopy(random, from, one, 0, n);
    for (int i = 0; i < n; i++) {
      one[i] = 0x3f800000 | one[i] << 7;
    }
    copies.toFloats(one, thresholds, 0, n);
  }

  private void encodeSquares(short[] scales, int group, int n) {
    float[] x = numbers;
    float[] scale = divisors;
    float[] threshold = thresholds;
    int[] roots = bits;
    int[] code = encoded;
    for (int i = 0; i < n; i++) {
      x[i] = (float) Math.sqrt(x[i]);
    }
    copies.toInts(x, 0, roots, n);
    boolean isOrdinary = scale(scales, group, StateCodes.MAX_ROOT, n);
    for (int i = 0; i < n; i++) {
      float share = (float) Math.sqrt((float) Math.sqrt(x[i] / scale[i]));
      // As with moments; and 1 more than 2^8, since 0 must not fall below that either.
      x[i] = (share * StateCodes.MAX_SQUARE + (threshold[i] - 1f)) - 0x1p-16f + 257f;
    }
    copies.toInts(x, 0, code, n);
    for (int i = 0; i < n; i++) {
      code[i] = (code[i] - 0x43808000) >> 15; // 257
    }
    if (!isOrdinary) {
      for (int i = 0; i < n; i++) {
        int magnitude = roots[i] & MAGNITUDE;
        if (magnitude >= INFINITE) {
          code[i] = magnitude == INFINITE ? StateCodes.INFINITE_SQUARE : StateCodes.NAN_SQUARE;
        } else {
          code[i] = Math.min(code[i], StateCodes.MAX_SQUARE);
        }
      }
    }
  }

  /**
   * Finds the scale of each group, and what its elements are divided by: 1 if that is 0.
   *
   * @param most the largest scale
   * @return whether all numbers are finite and none is larger than its scale
   */
  private boolean scale(short[] scales, int group, int most, int n) {
    int[] magnitudes = halves;
    largerHalves(n);
    boolean isOrdinary = true;
    for (int first = 0; first < n; first += GROUP) {
      int even = 0;
      int odd = 0;
      for (int i = first; i < first + GROUP / 2; i += 2) {
        even = Math.max(even, magnitudes[i]);
        odd = Math.max(odd, magnitudes[i + 1]);
      }
      int largest = Math.max(even, odd);
      if (largest >= INFINITE) {
        isOrdinary = false;
        largest = largestFinite(first);
      }
      int scale = StateCodes.scaleBits(largest);
      if (scale > most) {
        isOrdinary = false;
        scale = most;
      }
      scales[group + first / GROUP] = (short) scale;
      Arrays.fill(divisors, first, first + GROUP, scale == 0 ? 1 : StateCodes.scale((short) scale));
    }
    return isOrdinary;
  }

  /** Of each two magnitudes that are half a group apart the larger, in place of the first. */
  private void largerHalves(int n) {
    int[] signed = bits;
    int[] larger = halves;
    for (int i = 0; i < n - GROUP / 2; i++) {
      int first = signed[i] & MAGNITUDE;
      int less = (signed[i + GROUP / 2] & MAGNITUDE) - first;
      larger[i] = first + (less & ~(less >> 31)); // Math.max does not vectorize
    }
  }

  private int largestFinite(int first) {
    int largest = 0;
    for (int i = first; i < first + GROUP; i++) {
      int magnitude = bits[i] & MAGNITUDE;
      largest = Math.max(largest, magnitude < INFINITE ? magnitude : 0);
    }
    return largest;
  }

  private void pack(short[] codes, int to, int words) {
    int[] code = encoded;
    for (int i = 0; i < words; i++) {
      codes[to + i] = (short) (code[2 * i] | code[2 * i + 1] << 8);
    }
  }
}
