package io.warmstep.backend;

import io.warmstep.ElementType;

/**
 * A run of elements in a device's memory. Host arrays have the Java type that holds the element
 * type's bits: {@code float[]}, {@code double[]}, or {@code short[]} for the half types.
 */
public interface Memory extends AutoCloseable {
  /**
   * Type of the elements.
   *
   * @return the type
   */
  ElementType type();

  /**
   * Count of elements.
   *
   * @return 0 or more
   */
  long length();

  /**
   * Copies from a host array into this memory.
   *
   * @param at first element to overwrite
   * @param array the source, of this type's Java type
   * @param offset first index of the source
   * @param length count of elements
   */
  void write(long at, Object array, int offset, int length);

  /**
   * Copies from this memory into a host array.
   *
   * @param at first element to read
   * @param array the target, of this type's Java type
   * @param offset first index of the target
   * @param length count of elements
   */
  void read(long at, Object array, int offset, int length);

  /**
   * Sets elements to zero.
   *
   * @param at first element
   * @param length count of elements
   */
  void zero(long at, long length);

  /**
   * Where the elements lie, to find borrowed memory that overlaps.
   *
   * @return the location
   */
  Location location();

  /**
   * A place in memory.
   *
   * @param base two memories can overlap only if this is the same object
   * @param start bytes from the base's beginning to the first element
   */
  record Location(Object base, long start) {}

  /** Frees the memory if it was allocated rather than borrowed. A second call does nothing. */
  @Override
  void close();
}
