package io.warmstep.checkpoint;

/** Supplies a tensor's elements when it is written: from an array, or a device. */
@FunctionalInterface
public interface TensorSource {
  /**
   * Copies elements to an array.
   *
   * @param from first element to copy
   * @param array the target, of the Java type that holds the elements' bits: {@code float[]} for
   *     F32, {@code double[]} for F64, {@code short[]} for the half types, and so on
   * @param offset first index of the target
   * @param length number of elements
   */
  void read(long from, Object array, int offset, int length);

  /**
   * The elements of an array.
   *
   * @param source {@code float[]}, {@code double[]}, {@code long[]}, {@code int[]}, {@code short[]}
   *     or {@code byte[]}
   * @return a source
   */
  @SuppressWarnings("SuspiciousSystemArraycopy") // arrays of the same type, chosen at run time
  static TensorSource of(Object source) {
    return (from, array, offset, length) ->
        System.arraycopy(source, Math.toIntExact(from), array, offset, length);
  }
}
