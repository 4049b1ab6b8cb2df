package io.warmstep.testkit;

import io.warmstep.ElementType;
import java.util.SplittableRandom;

/**
 * Element values as doubles, which hold every element type exactly, and the types' own definitions
 * of rounding and bits, written from IEEE 754 and independent of the library.
 */
public final class Numbers {
  private static final double[] CORNERS = {
    0.0, -0.0, 1.0, -1.0, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY
  };

  private Numbers() {}

  /** The nearest value of a type, ties to even, beyond the largest to infinity. */
  public static double round(ElementType type, double value) {
    return switch (type) {
      case FLOAT64 -> value;
      case FLOAT32 -> (float) value;
      case FLOAT16 -> round(value, 10, -14, 15);
      case BFLOAT16 -> round(value, 7, -126, 127);
    };
  }

  public static double[] round(ElementType type, double[] values) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = round(type, values[i]);
    }
    return rounded;
  }

  private static double round(double value, int fractionBits, int minExponent, int maxExponent) {
    if (value == 0 || Double.isNaN(value) || Double.isInfinite(value)) {
      return value;
    }
    int exponent = Math.max(Math.getExponent(value), minExponent);
    double quantum = power(exponent - fractionBits);
    double rounded = Math.rint(value / quantum) * quantum;
    return Math.abs(rounded) >= power(maxExponent + 1)
        ? Math.copySign(Double.POSITIVE_INFINITY, value)
        : rounded;
  }

  /** A power of two within double's normal range: {@link Math#scalb} takes long. */
  private static double power(int exponent) {
    return Double.longBitsToDouble((long) (exponent + Double.MAX_EXPONENT) << 52);
  }

  /** The value of 16 bits. */
  public static double decode(ElementType type, int bits) {
    int fractionBits = type == ElementType.FLOAT16 ? 10 : 7;
    int exponentBits = 15 - fractionBits;
    int bias = (1 << (exponentBits - 1)) - 1;
    double sign = (bits & 0x8000) != 0 ? -1 : 1;
    int exponent = (bits & 0x7fff) >> fractionBits;
    int fraction = bits & ((1 << fractionBits) - 1);
    if (exponent == (1 << exponentBits) - 1) {
      return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    return exponent == 0
        ? sign * Math.scalb((double) fraction, 1 - bias - fractionBits)
        : sign
            * Math.scalb((double) (fraction + (1 << fractionBits)), exponent - bias - fractionBits);
  }

  /** The bits of a value that a 16-bit type has; NaN is the quiet one. */
  public static short encode(ElementType type, double value) {
    int fractionBits = type == ElementType.FLOAT16 ? 10 : 7;
    int bias = type == ElementType.FLOAT16 ? 15 : 127;
    int allOnes = 0x7fff >> fractionBits << fractionBits;
    int sign = Double.doubleToRawLongBits(value) < 0 ? 0x8000 : 0;
    double magnitude = Math.abs(value);
    if (Double.isNaN(value)) {
      return (short) (allOnes | 1 << (fractionBits - 1));
    }
    if (Double.isInfinite(value)) {
      return (short) (sign | allOnes);
    }
    int exponent = Math.max(Math.getExponent(magnitude), 1 - bias);
    int scaled = (int) Math.scalb(magnitude, fractionBits - exponent); // with the implicit one
    int biased = exponent + bias - 1; // the implicit one carries into the exponent
    return (short) (sign | ((biased << fractionBits) + scaled));
  }

  /** The largest finite value of a type. */
  public static double largest(ElementType type) {
    return switch (type) {
      case FLOAT64 -> Double.MAX_VALUE;
      case FLOAT32 -> Float.MAX_VALUE;
      case FLOAT16 -> 65504;
      case BFLOAT16 -> 0x1.fep127;
    };
  }

  /** Values of everyday magnitudes, an eighth of them zero. */
  public static double[] ordinary(SplittableRandom random, ElementType type, int length) {
    double[] values = new double[length];
    for (int i = 0; i < length; i++) {
      boolean zero = random.nextInt(8) == 0;
      double scale = power(random.nextInt(-10, 4));
      values[i] = zero ? 0 : round(type, random.nextGaussian() * scale);
    }
    return values;
  }

  /** Values of every bit pattern: denormals, huge ones, infinities, NaN, signed zeros. */
  public static double[] adversarial(SplittableRandom random, ElementType type, int length) {
    double[] values = new double[length];
    for (int i = 0; i < length; i++) {
      values[i] =
          random.nextInt(8) == 0 ? CORNERS[random.nextInt(CORNERS.length)] : anyBits(random, type);
    }
    return values;
  }

  private static double anyBits(SplittableRandom random, ElementType type) {
    boolean denormal = random.nextInt(6) == 0;
    return switch (type) {
      case FLOAT64 ->
          Double.longBitsToDouble(random.nextLong() & (denormal ? 0x800fffffffffffffL : -1L));
      case FLOAT32 -> Float.intBitsToFloat(random.nextInt() & (denormal ? 0x807fffff : -1));
      case FLOAT16 -> decode(type, random.nextInt() & (denormal ? 0x83ff : 0xffff));
      case BFLOAT16 -> decode(type, random.nextInt() & (denormal ? 0x807f : 0xffff));
    };
  }

  public static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  public static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }
}
