package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.storage.Storage;
import java.util.Arrays;
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

  private static final int CHUNK = 2048;

  /** Powers of two by which whole numbers of 53 bits, with their sign, come to lie below 8. */
  private static final double[] SCALES = new double[16];

  private static final Map<ElementType, Long> INFINITIES = new EnumMap<>(ElementType.class);

  static {
    for (int i = 0; i < SCALES.length; i++) {
      SCALES[i] = Math.scalb(1.0, i - 12 - 52);
    }
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
   * @return an array of their storage's
   */
  Object chooseArray(SplittableRandom random, ElementType type, int length) {
    Storage storage = Storage.of(type);
    Object array = storage.newArray(length);
    if (this == ORDINARY) {
      ordinary(random, storage, array, length);
      return array;
    }
    Object ordinary = storage.newArray(CHUNK);
    for (int at = 0; at < length; at += CHUNK) {
      int end = Math.min(length, at + CHUNK);
      if (this == SPECIAL) {
        ordinary(random, storage, ordinary, end - at);
      }
      for (int i = at; i < end; i++) {
        long bits =
            switch (this) {
              case SPECIAL ->
                  random.nextInt(3) == 0 ? storage.bits(ordinary, i - at) : special(random, type);
              case RANDOM_BITS -> random.nextLong();
              case FINITE_EXTREMES -> extreme(random, type);
              case ORDINARY -> throw new AssertionError();
            };
        storage.setBits(array, i, bits);
      }
    }
    return array;
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
    Object array = chooseArray(random, type, length);
    Storage storage = Storage.of(type);
    long[] bits = new long[length];
    for (int i = 0; i < length; i++) {
      bits[i] = storage.bits(array, i);
    }
    return bits;
  }

  private static long mask(ElementType type) {
    return type == ElementType.FLOAT64 ? -1L : (1L << (8 * type.bytes())) - 1;
  }

  /** Chunks by values, since converting one after the other takes long. */
  private static void ordinary(SplittableRandom random, Storage storage, Object array, int length) {
    Object values = Storage.of(storage.type().arithmetic()).newArray(Math.min(length, CHUNK));
    for (int at = 0; at < length; at += CHUNK) {
      int n = Math.min(CHUNK, length - at);
      if (values instanceof float[] floats) {
        for (int i = 0; i < n; i++) {
          floats[i] = (float) ordinary(random);
        }
      } else {
        double[] doubles = (double[]) values;
        for (int i = 0; i < n; i++) {
          doubles[i] = ordinary(random);
        }
      }
      storage.store(values, 0, array, at, n);
    }
  }

  /** Its lowest bits choose whether it is zero and how large, the others the digits. */
  private static double ordinary(SplittableRandom random) {
    long draw = random.nextLong();
    return (draw & 7) == 0 ? 0 : (draw >> 11) * SCALES[(int) (draw >>> 3) & (SCALES.length - 1)];
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
    writeArray(tensor, array);
  }

  /**
   * Overwrites a tensor.
   *
   * @param tensor as long as the array
   * @param array of the tensor's storage
   */
  static void writeArray(Tensor tensor, Object array) {
    if (array instanceof float[] floats) {
      tensor.copyFrom(floats);
    } else if (array instanceof double[] doubles) {
      tensor.copyFrom(doubles);
    } else {
      tensor.copyFromBits((short[]) array);
    }
  }

  /** An array of a tensor's elements. */
  private static Object readArray(Tensor tensor) {
    Object array = Storage.of(tensor.type()).newArray(Math.toIntExact(tensor.length()));
    if (array instanceof float[] floats) {
      tensor.copyTo(floats);
    } else if (array instanceof double[] doubles) {
      tensor.copyTo(doubles);
    } else {
      tensor.copyToBits((short[]) array);
    }
    return array;
  }

  /**
   * Whether tensors have the same bits: a quick look, which takes some NaN for different.
   *
   * @param one tensor
   * @param other as long, and of its type
   * @return false if {@link #read} has to say
   */
  static boolean areAlike(Tensor one, Tensor other) {
    Object ours = readArray(one);
    Object theirs = readArray(other);
    if (ours instanceof float[] floats) {
      return Arrays.equals(floats, (float[]) theirs); // by their bits
    }
    return ours instanceof double[] doubles
        ? Arrays.equals(doubles, (double[]) theirs)
        : Arrays.equals((short[]) ours, (short[]) theirs);
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
    Object array = readArray(tensor);
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
