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

  private final float[] squares = new float[LEAF];
  private final SumKind kind;

  /** Result of the last call, with {@link #exponent}. */
  float sum;

  int exponent;

  FloatTreeSum(SumKind kind) {
    this.kind = kind;
  }

  /**
   * Sums the squares or magnitudes of a leaf.
   *
   * @param x at least 4096 long; overwritten
   * @param n how many of its elements count, from 1 to 4096
   */
  void leaf(float[] x, int n) {
    if (kind == SumKind.LARGEST) {
      sum = largest(x, n);
      exponent = 0;
      return;
    }
    int width = paddedWidth(n);
    Arrays.fill(x, n, width, 0f);
    exponent = 0;
    sum = plain(x, width);
    if (isPlain()) {
      return;
    }
    float largest = largest(x, n);
    if (largest == 0) {
      sum = 0f;
      exponent = Float.MIN_EXPONENT;
    } else if (!(largest <= Float.MAX_VALUE)) {
      sum = kind == SumKind.SIGNED ? sum : largest; // infinite or NaN, and stays so
      exponent = Float.MAX_EXPONENT - 1;
    } else {
      exponent =
          Math.min(Math.max(Math.getExponent(largest), Float.MIN_EXPONENT), Float.MAX_EXPONENT - 1);
      float scale = powerOfTwo(-exponent);
      for (int i = 0; i < n; i++) {
        x[i] *= scale;
      }
      sum = plain(x, width);
    }
  }

  /** Sums of signed elements are as exact as can be unless they overflow. */
  private boolean isPlain() {
    return kind == SumKind.SIGNED
        ? Math.abs(sum) <= Float.MAX_VALUE
        : sum >= SMALLEST && sum <= LARGEST;
  }

  private static float largest(float[] x, int n) {
    float largest = 0f;
    for (int i = 0; i < n; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    return largest;
  }

  private float plain(float[] x, int width) {
    return switch (kind) {
      case MAGNITUDES -> magnitude(x, width);
      case SIGNED -> signed(x, width);
      default -> square(x, width);
    };
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
    sum = fold(squares, width);
    exponent = largest;
  }

  private float square(float[] x, int width) {
    float[] s = squares;
    if (width == LEAF) {
      for (int i = 0; i < LEAF / 2; i++) {
        s[i] = Math.fma(x[i + LEAF / 2], x[i + LEAF / 2], x[i] * x[i]);
      }
      return fold(s, LEAF / 2);
    }
    for (int i = 0; i < width; i++) {
      s[i] = x[i] * x[i];
    }
    return fold(s, width);
  }

  private float magnitude(float[] x, int width) {
    float[] s = squares;
    if (width == LEAF) {
      for (int i = 0; i < LEAF / 2; i++) {
        s[i] = Math.abs(x[i]) + Math.abs(x[i + LEAF / 2]);
      }
      return fold(s, LEAF / 2);
    }
    for (int i = 0; i < width; i++) {
      s[i] = Math.abs(x[i]);
    }
    return fold(s, width);
  }

  private float signed(float[] x, int width) {
    float[] s = squares;
    if (width == LEAF) {
      for (int i = 0; i < LEAF / 2; i++) {
        s[i] = x[i] + x[i + LEAF / 2];
      }
      return fold(s, LEAF / 2);
    }
    System.arraycopy(x, 0, s, 0, width);
    return fold(s, width);
  }

  /** Loops with constant distances, because only such ones vectorize. */
  static float fold(float[] s, int width) {
    if (width > 1024) {
      for (int i = 0; i < 1024; i++) {
        s[i] += s[i + 1024];
      }
    }
    if (width > 512) {
      for (int i = 0; i < 512; i++) {
        s[i] += s[i + 512];
      }
    }
    if (width > 256) {
      for (int i = 0; i < 256; i++) {
        s[i] += s[i + 256];
      }
    }
    if (width > 128) {
      for (int i = 0; i < 128; i++) {
        s[i] += s[i + 128];
      }
    }
    if (width > 64) {
      for (int i = 0; i < 64; i++) {
        s[i] += s[i + 64];
      }
    }
    if (width > 32) {
      for (int i = 0; i < 32; i++) {
        s[i] += s[i + 32];
      }
    }
    for (int w = Math.min(width, 32) / 2; w > 0; w /= 2) {
      for (int i = 0; i < w; i++) {
        s[i] += s[i + w];
      }
    }
    return s[0];
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
