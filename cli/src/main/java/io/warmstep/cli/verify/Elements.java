package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.storage.Storage;
import java.util.EnumMap;
import java.util.Map;
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

  private static final Map<ElementType, Long> INFINITIES = new EnumMap<>(ElementType.class);

  static {
    for (ElementType type : ElementType.values()) {
      INFINITIES.put(type, encode(type, Double.POSITIVE_INFINITY));
    }
  }

  /** Those below the exponent. */
  private static int fractionBits(ElementType type) {
    return Long.numberOfTrailingZeros(infinity(type));
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
    return encode(type, value);
  }

  private static long encode(ElementType type, double value) {
    Storage storage = Storage.of(type);
    Object element = storage.newArray(1);
    storage.fill(element, 0, 1, value);
    return storage.bits(element, 0);
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
    return INFINITIES.get(type);
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
    Storage storage = Storage.of(tensor.type());
    Object array = storage.newArray(bits.length);
    for (int i = 0; i < bits.length; i++) {
      storage.setBits(array, i, bits[i]);
    }
    if (array instanceof float[] floats) {
      tensor.copyFrom(floats);
    } else if (array instanceof double[] doubles) {
      tensor.copyFrom(doubles);
    } else {
      tensor.copyFromBits((short[]) array);
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
    Storage storage = Storage.of(tensor.type());
    Object array = storage.newArray(length);
    if (array instanceof float[] floats) {
      tensor.copyTo(floats);
    } else if (array instanceof double[] doubles) {
      tensor.copyTo(doubles);
    } else {
      tensor.copyToBits((short[]) array);
    }
    long infinity = infinity(tensor.type());
    long nan = infinity + (1L << fractionBits(tensor.type())) / 2;
    long magnitude = mask(tensor.type()) >>> 1;
    long[] bits = new long[length];
    for (int i = 0; i < length; i++) {
      long its = storage.bits(array, i);
      bits[i] = (its & magnitude) > infinity ? nan : its;
    }
    return bits;
  }

  /**
   * Writes an element for a reader.
   *
   * @param type of the element
   * @param bits of the element
   * @return its value, exactly
   */
  static String text(ElementType type, long bits) {
    Storage storage = Storage.of(type);
    Object element = storage.newArray(1);
    storage.setBits(element, 0, bits);
    if (element instanceof double[] doubles) {
      return Double.toHexString(doubles[0]);
    }
    float[] value = new float[1];
    storage.load(element, 0, value, 0, 1);
    return Float.toHexString(value[0]);
  }
}
