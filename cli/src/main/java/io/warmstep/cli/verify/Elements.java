package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.backend.HalfFloats;
import java.util.SplittableRandom;

/**
 * Elements of a tensor as the bits of each, lowest first in a {@code long}, and ways to choose
 * them.
 */
enum Elements {
  /** Of everyday magnitudes, an eighth of them zero. */
  ORDINARY,
  /** Denormals, infinities, NaN, zeros, the largest and smallest numbers, among ordinary ones. */
  SPECIAL,
  /** Every bit pattern alike. */
  RANDOM_BITS,
  /** Huge, tiny and denormal ones, none infinite: a norm of them must be scaled to be finite. */
  FINITE_EXTREMES;

  private static final long FLOAT16_NAN = 0x7e00;
  private static final long BFLOAT16_NAN = 0x7fc0;

  /** Fraction bits of each type, by its ordinal. */
  private static int fractionBits(ElementType type) {
    return switch (type) {
      case FLOAT32 -> 23;
      case FLOAT64 -> 52;
      case FLOAT16 -> 10;
      case BFLOAT16 -> 7;
    };
  }

  /**
   * Chooses elements.
   *
   * @param random where from
   * @param type of the elements
   * @param length how many
   * @return their bits
   */
  long[] choose(SplittableRandom random, ElementType type, int length) {
    long[] bits = new long[length];
    for (int i = 0; i < length; i++) {
      bits[i] =
          switch (this) {
            case ORDINARY -> ordinary(random, type);
            case SPECIAL -> random.nextInt(3) == 0 ? ordinary(random, type) : special(random, type);
            case RANDOM_BITS -> random.nextLong() & mask(type);
            case FINITE_EXTREMES -> extreme(random, type);
          };
    }
    return bits;
  }

  private static long mask(ElementType type) {
    return type == ElementType.FLOAT64 ? -1L : (1L << (8 * type.bytes())) - 1;
  }

  private static long ordinary(SplittableRandom random, ElementType type) {
    double value = random.nextDouble(-1, 1) * Math.scalb(1.0, random.nextInt(-10, 4));
    if (random.nextInt(8) == 0) {
      value = 0;
    }
    return switch (type) {
      case FLOAT32 -> Float.floatToRawIntBits((float) value) & mask(type);
      case FLOAT64 -> Double.doubleToRawLongBits(value);
      case FLOAT16, BFLOAT16 -> {
        short[] half = new short[1];
        HalfFloats.narrow(type, new float[] {(float) value}, 0, half, 0, 1);
        yield half[0] & mask(type);
      }
    };
  }

  /** At least a factor of 2^10 below the largest, so that the norm of many is still a number. */
  private static long extreme(SplittableRandom random, ElementType type) {
    long smallestNormal = 1L << fractionBits(type);
    long infinity = infinity(type);
    long magnitude =
        random.nextInt(4) == 0
            ? infinity - random.nextLong(10 * smallestNormal + 1, 14 * smallestNormal)
            : random.nextLong(4 * smallestNormal);
    return random.nextBoolean() ? magnitude : magnitude | sign(type);
  }

  private static long sign(ElementType type) {
    return (mask(type) >>> 1) + 1;
  }

  private static long infinity(ElementType type) {
    return (mask(type) >>> 1) >>> fractionBits(type) << fractionBits(type);
  }

  private static long special(SplittableRandom random, ElementType type) {
    int fractionBits = fractionBits(type);
    long infinity = infinity(type);
    long smallestNormal = 1L << fractionBits;
    long one = (infinity >>> 1) >>> fractionBits << fractionBits;
    long magnitude =
        switch (random.nextInt(10)) {
          case 0 -> 0;
          case 1 -> 1; // the smallest denormal
          case 2 -> random.nextLong(smallestNormal); // any denormal
          case 3 -> smallestNormal - random.nextInt(2);
          case 4 -> infinity - 1; // the largest number
          case 5 -> infinity - random.nextLong(1, 4 * smallestNormal); // huge
          case 6 -> infinity;
          case 7 -> infinity + smallestNormal / 2; // NaN
          case 8 -> one + random.nextInt(2);
          default -> one / 2; // near the root of the smallest number
        };
    return random.nextBoolean() ? magnitude : magnitude | sign(type);
  }

  /**
   * Overwrites a tensor.
   *
   * @param tensor as long as the bits
   * @param bits of the elements
   */
  static void write(Tensor tensor, long[] bits) {
    switch (tensor.type()) {
      case FLOAT32 -> {
        float[] values = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
          values[i] = Float.intBitsToFloat((int) bits[i]);
        }
        tensor.copyFrom(values);
      }
      case FLOAT64 -> {
        double[] values = new double[bits.length];
        for (int i = 0; i < bits.length; i++) {
          values[i] = Double.longBitsToDouble(bits[i]);
        }
        tensor.copyFrom(values);
      }
      case FLOAT16, BFLOAT16 -> {
        short[] values = new short[bits.length];
        for (int i = 0; i < bits.length; i++) {
          values[i] = (short) bits[i];
        }
        tensor.copyFromBits(values);
      }
    }
  }

  /**
   * Reads a tensor; every NaN becomes the same.
   *
   * @param tensor of any type
   * @return the bits of its elements
   */
  static long[] read(Tensor tensor) {
    int length = Math.toIntExact(tensor.length());
    long[] bits = new long[length];
    switch (tensor.type()) {
      case FLOAT32 -> {
        float[] values = tensor.toFloats();
        for (int i = 0; i < length; i++) {
          bits[i] = Float.floatToIntBits(values[i]);
        }
      }
      case FLOAT64 -> {
        double[] values = tensor.toDoubles();
        for (int i = 0; i < length; i++) {
          bits[i] = Double.doubleToLongBits(values[i]);
        }
      }
      case FLOAT16 -> readHalves(tensor, bits, 0x7c00, FLOAT16_NAN);
      case BFLOAT16 -> readHalves(tensor, bits, 0x7f80, BFLOAT16_NAN);
    }
    return bits;
  }

  private static void readHalves(Tensor tensor, long[] bits, int infinity, long nan) {
    short[] values = new short[bits.length];
    tensor.copyToBits(values);
    for (int i = 0; i < bits.length; i++) {
      bits[i] = (values[i] & 0x7fff) > infinity ? nan : values[i] & 0xffff;
    }
  }

  /**
   * Writes an element for a reader.
   *
   * @param type of the element
   * @param bits of the element
   * @return its value, exactly
   */
  static String text(ElementType type, long bits) {
    return switch (type) {
      case FLOAT32 -> Float.toHexString(Float.intBitsToFloat((int) bits));
      case FLOAT64 -> Double.toHexString(Double.longBitsToDouble(bits));
      case FLOAT16, BFLOAT16 -> {
        float[] value = new float[1];
        HalfFloats.widen(type, new short[] {(short) bits}, 0, value, 0, 1);
        yield Float.toHexString(value[0]);
      }
    };
  }
}
