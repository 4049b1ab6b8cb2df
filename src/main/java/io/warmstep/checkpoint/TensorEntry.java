package io.warmstep.checkpoint;

import java.util.List;

/**
 * A tensor in a file.
 *
 * @param name as in the file
 * @param format of its elements
 * @param shape the size of each dimension, empty for a single number
 * @param begin first byte, counted from the end of the header
 * @param end byte after the last
 */
public record TensorEntry(
    String name, ElementFormat format, List<Long> shape, long begin, long end) {
  /**
   * Creates an entry.
   *
   * @param name as in the file
   * @param format of its elements
   * @param shape the size of each dimension, empty for a single number
   * @param begin first byte, counted from the end of the header
   * @param end byte after the last
   */
  public TensorEntry {
    shape = List.copyOf(shape);
  }

  /**
   * Number of elements.
   *
   * @return the product of the shape
   */
  public long count() {
    long count = 1;
    for (long size : shape) {
      count *= size;
    }
    return count;
  }

  /** Bytes in the file. */
  long bytes() {
    return end - begin;
  }

  @Override
  public String toString() {
    return name + " of " + format + " " + shape;
  }
}
