package io.warmstep.backend.cpu;

import io.warmstep.backend.SumKind;
import java.util.Arrays;

/**
 * Sum of squares, magnitudes or signed elements by a tree of fixed shape in float32, so that every
 * backend and any number of threads gets the same bits. A leaf is 4096 elements of one tensor,
 * counted from its beginning and padded with zeros; a node adds halves: element i and element i +
 * width, for widths 2048 down to 1. A sum of squares is kept as {@code sum * 4^exponent}, one of
 * magnitudes as {@code sum * 2^exponent}: a leaf whose plain sum is too large or too small is
 * summed again with its elements divided by a power of two, so that no finite gradient overflows or
 * vanishes. For the largest magnitude a leaf's or node's sum is that.
 */
final class FloatTreeSum {
  static final int LEAF = 4096;

  /**
   * Plain sums within these bounds are exact enough: squares that underflow are below half an ulp.
   */
  private static final float SMALLEST = 0x1p-64f;

  private static final float LARGEST = 0x1p64f;

  private final float[] copy = new float[LEAF];
  private float[] squares = new float[LEAF];
  private final SumKind kind;

  /** Result of the last call, with {@link #exponent}. */
  float sum;

  int exponent;

  FloatTreeSum(SumKind kind) {
    this.kind = kind;
  }

  /**
   * Makes room for leaves to be read where they lie.
   *
   * @param end index behind the last of their elements
   */
  void prepare(int end) {
    if (squares.length < end) {
      squares = new float[end];
    }
  }

  /**
   * Sums the squares or magnitudes of a leaf, or its elements.
   *
   * @param x where it lies; only read
   * @param from index of its first element
   * @param n how many elements it has, from 1 to 4096
   */
  void leaf(float[] x, int from, int n) {
    exponent = 0;
    if (kind == SumKind.LARGEST) {
      sum = largest(x, from, n);
      return;
    }
    sum = plain(x, from, n, 1);
    if (isPlain()) {
      return;
    }
    boolean isZero = sum == 0 && isZero(x, from, n);
    float largest = isZero ? 0 : largest(x, from, n);
    if (largest == 0) {
      sum = 0f;
      exponent = Float.MIN_EXPONENT;
    } else if (!(largest <= Float.MAX_VALUE)) {
      sum = kind == SumKind.SIGNED ? sum : largest; // infinite or NaN, and stays so
      exponent = Float.MAX_EXPONENT - 1;
    } else {
      exponent =
          Math.min(Math.max(Math.getExponent(largest), Float.MIN_EXPONENT), Float.MAX_EXPONENT - 1);
      sum = plain(x, from, n, powerOfTwo(-exponent));
    }
  }

  /** Sums of signed elements are as exact as can be unless they overflow. */
  private boolean isPlain() {
    return kind == SumKind.SIGNED
        ? Math.abs(sum) <= Float.MAX_VALUE
        : sum >= SMALLEST && sum <= LARGEST;
  }

  /**
   * Whether all of a leaf's elements are known to be 0. Adding magnitudes up vectorizes, and the
   * search for the largest does not.
   */
  private boolean isZero(float[] x, int from, int n) {
    if (n < LEAF || from + LEAF > squares.length) {
      return false;
    }
    addQuarters(SumKind.MAGNITUDES, x, from); // no sum of magnitudes underflows
    return fold(squares, from, LEAF / 4) == 0;
  }

  private static float largest(float[] x, int from, int n) {
    float largest = 0f;
    for (int i = from; i < from + n; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    return largest;
  }

  /** The sum of a leaf whose elements are multiplied by a scale. */
  private float plain(float[] x, int from, int n, float scale) {
    if (n == LEAF && scale == 1 && from + LEAF <= squares.length) {
      addQuarters(kind, x, from);
      return fold(squares, from, LEAF / 4);
    }
    System.arraycopy(x, from, copy, 0, n);
    for (int i = 0; i < n && scale != 1; i++) {
      copy[i] *= scale;
    }
    int width = paddedWidth(n);
    Arrays.fill(copy, n, width, 0f);
    if (width == LEAF) {
      addQuarters(kind, copy, 0);
      return fold(squares, 0, LEAF / 4);
    }
    addSingly(copy, width);
    return fold(squares, 0, width);
  }

  /**
   * The first two levels of the tree in one loop (of magnitudes two), which reads a leaf in several
   * places at once: from memory that is faster than in one after the other. Only with the same
   * index for both arrays does it vectorize.
   */
  private void addQuarters(SumKind of, float[] x, int from) {
    float[] s = squares;
    switch (of) {
      case MAGNITUDES -> { // in two loops, since one does not vectorize
        for (int i = from; i < from + LEAF / 4; i++) {
          s[i] = Math.abs(x[i]) + Math.abs(x[i + LEAF / 2]);
        }
        for (int i = from; i < from + LEAF / 4; i++) {
          s[i] += Math.abs(x[i + LEAF / 4]) + Math.abs(x[i + LEAF / 4 * 3]);
        }
      }
      case SIGNED -> {
        for (int i = from; i < from + LEAF / 4; i++) {
          float first = x[i] + x[i + LEAF / 2];
          s[i] = first + (x[i + LEAF / 4] + x[i + LEAF / 4 * 3]);
        }
      }
      default -> {
        for (int i = from; i < from + LEAF / 4; i++) {
          float a = x[i];
          float b = x[i + LEAF / 4];
          float c = x[i + LEAF / 2];
          float d = x[i + LEAF / 4 * 3];
          s[i] = Math.fma(c, c, a * a) + Math.fma(d, d, b * b);
        }
      }
    }
  }

  private void addSingly(float[] x, int width) {
    float[] s = squares;
    switch (kind) {
      case MAGNITUDES -> {
        for (int i = 0; i < width; i++) {
          s[i] = Math.abs(x[i]);
        }
      }
      case SIGNED -> System.arraycopy(x, 0, s, 0, width);
      default -> {
        for (int i = 0; i < width; i++) {
          s[i] = x[i] * x[i];
        }
      }
    }
  }

  /**
   * Adds sums to one.
   *
   * @param sums overwritten
   * @param exponents overwritten
   * @param first index of the first
   * @param n how many there are
   */
  void combine(float[] sums, int[] exponents, int first, int n) {
    int count = n;
    while (count > 1) {
      int nodes = 0;
      for (int from = 0; from < count; from += LEAF) {
        node(sums, exponents, first + from, first + Math.min(count, from + LEAF));
        sums[first + nodes] = sum;
        exponents[first + nodes] = exponent;
        nodes++;
      }
      count = nodes;
    }
    sum = n == 0 ? 0f : sums[first];
    exponent = n == 0 ? Float.MIN_EXPONENT : exponents[first];
    if (kind == SumKind.LARGEST) {
      normalize();
    }
  }

  /** The same number from 1 to 2 times a power, so that products with it stay in range. */
  private void normalize() {
    if (sum > 0 && sum <= Float.MAX_VALUE) {
      exponent =
          Math.min(Math.max(Math.getExponent(sum), Float.MIN_EXPONENT), Float.MAX_EXPONENT - 1);
      sum *= powerOfTwo(-exponent);
    }
  }

  private void node(float[] sums, int[] exponents, int from, int to) {
    if (kind == SumKind.LARGEST) {
      sum = 0f;
      for (int i = from; i < to; i++) {
        sum = Math.max(sum, sums[i]);
      }
      exponent = 0;
      return;
    }
    int power = kind == SumKind.SQUARES ? 2 : 1;
    int largest = exponents[from];
    for (int i = from; i < to; i++) {
      largest = Math.max(largest, exponents[i]);
    }
    for (int i = from; i < to; i++) {
      int shift = power * (exponents[i] - largest);
      squares[i - from] = shift < Float.MIN_EXPONENT ? 0f : sums[i] * powerOfTwo(shift);
    }
    int width = paddedWidth(to - from);
    Arrays.fill(squares, to - from, width, 0f);
    if (width == LEAF) {
      for (int i = 0; i < LEAF / 2; i++) {
        squares[i] += squares[i + LEAF / 2];
      }
      width = LEAF / 2;
    }
    sum = fold(squares, 0, width);
    exponent = largest;
  }

  /**
   * Adds numbers to one. Loops with constant distances, because only such ones vectorize.
   *
   * @param s overwritten
   * @param from index of the first
   * @param width how many, a power of two, at most 2048
   */
  static float fold(float[] s, int from, int width) {
    if (width > 1024) {
      for (int i = from; i < from + 1024; i++) {
        s[i] += s[i + 1024];
      }
    }
    if (width > 512) {
      for (int i = from; i < from + 512; i++) {
        s[i] += s[i + 512];
      }
    }
    if (width > 256) {
      for (int i = from; i < from + 256; i++) {
        s[i] += s[i + 256];
      }
    }
    if (width > 128) {
      for (int i = from; i < from + 128; i++) {
        s[i] += s[i + 128];
      }
    }
    if (width > 64) {
      for (int i = from; i < from + 64; i++) {
        s[i] += s[i + 64];
      }
    }
    if (width > 32) {
      for (int i = from; i < from + 32; i++) {
        s[i] += s[i + 32];
      }
    }
    if (width >= 32) {
      return fold32(s, from);
    }
    for (int w = width / 2; w > 0; w /= 2) {
      for (int i = from; i < from + w; i++) {
        s[i] += s[i + w];
      }
    }
    return s[from];
  }

  /** The sum of 32 numbers, without loops, which would take longer to begin than this takes. */
  private static float fold32(float[] s, int from) {
    float a = eighth(s, from) + eighth(s, from + 4);
    float b = eighth(s, from + 1) + eighth(s, from + 5);
    float c = eighth(s, from + 2) + eighth(s, from + 6);
    float d = eighth(s, from + 3) + eighth(s, from + 7);
    return (a + c) + (b + d);
  }

  /** One of the 8 sums after two levels. */
  private static float eighth(float[] s, int i) {
    return (s[i] + s[i + 16]) + (s[i + 8] + s[i + 24]);
  }

  /**
   * The root of the last sum of squares, or the last sum, rounded once where it is not normal. A
   * zero is positive, as where padding is added.
   */
  float root() {
    float root = kind == SumKind.SQUARES ? (float) Math.sqrt(sum) : sum + 0f;
    return Math.scalb(root, exponent);
  }

  /** The least power of two that is no smaller. */
  static int paddedWidth(int n) {
    return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
  }

  /** Exact for exponents of normal numbers. */
  private static float powerOfTwo(int exponent) {
    return Float.intBitsToFloat((exponent + 127) << 23);
  }
}
