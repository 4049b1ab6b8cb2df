package io.warmstep.backend;

import io.warmstep.ElementType;
import io.warmstep.storage.Storage;
import java.nio.Buffer;

/**
 * A run of elements in a device's memory. Host arrays are those of its storage, such as {@code
 * float[]} or, for the half types, {@code short[]}.
 */
public interface Memory extends AutoCloseable {
  /** Elements that are copied at a time where a copy goes through a Java array. */
  int HOST_CHUNK = 8192;

  /**
   * How the elements are stored.
   *
   * @return the storage, whose arrays are what this memory reads and writes
   */
  Storage storage();

  /**
   * Type of the elements.
   *
   * @return the type
   */
  default ElementType type() {
    return storage().type();
  }

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
   * @param array the source, of this storage's
   * @param offset first index of the source
   * @param length count of elements
   */
  void write(long at, Object array, int offset, int length);

  /**
   * Copies from this memory into a host array.
   *
   * @param at first element to read
   * @param array the target, of this storage's
   * @param offset first index of the target
   * @param length count of elements
   */
  void read(long at, Object array, int offset, int length);

  /**
   * Copies from this memory into a host array beside what the device still has to do: waits for the
   * copy alone. Nothing that was asked of the device and is not done may write the elements.
   *
   * @param at first element to read
   * @param array the target, of this storage's
   * @param offset first index of the target
   * @param length count of elements
   */
  default void readSettled(long at, Object array, int offset, int length) {
    read(at, array, offset, length);
  }

  /**
   * Overwrites elements as they are stored, from a buffer.
   *
   * @param at first element to overwrite
   * @param buffer of the kind that this storage's views are of; its position stays
   * @param from index of its first element
   * @param length count of elements
   */
  default void write(long at, Buffer buffer, int from, int length) {
    Object array = storage().newArray(Math.min(length, HOST_CHUNK));
    for (int done = 0; done < length; done += HOST_CHUNK) {
      int n = Math.min(HOST_CHUNK, length - done);
      storage().get(buffer, from + done, array, 0, n);
      write(at + done, array, 0, n);
    }
  }

  /**
   * Copies elements as they are stored into a buffer.
   *
   * @param at first element to read
   * @param buffer of the kind that this storage's views are of; its position stays
   * @param to index of its first element
   * @param length count of elements
   */
  default void read(long at, Buffer buffer, int to, int length) {
    Object array = storage().newArray(Math.min(length, HOST_CHUNK));
    for (int done = 0; done < length; done += HOST_CHUNK) {
      int n = Math.min(HOST_CHUNK, length - done);
      read(at + done, array, 0, n);
      storage().put(array, 0, buffer, to + done, n);
    }
  }

  /**
   * Copies within the device from other memory of the same device and type, which does not overlap
   * and is no view.
   *
   * @param at first element to overwrite
   * @param source where from
   * @param from its first element
   * @param count of elements
   */
  default void copy(long at, Memory source, long from, long count) {
    copyByHost(at, source, from, count);
  }

  /**
   * Copies by way of the host from other memory of the same type, which does not overlap.
   *
   * @param at first element to overwrite
   * @param source where from
   * @param from its first element
   * @param count of elements
   */
  default void copyByHost(long at, Memory source, long from, long count) {
    int chunk = (int) Math.min(count, HOST_CHUNK);
    Object array = storage().newArray(chunk);
    for (long done = 0; done < count; ) {
      int n = (int) Math.min(chunk, count - done);
      source.read(from + done, array, 0, n);
      write(at + done, array, 0, n);
      done += n;
    }
  }

  /**
   * Sets elements to zero.
   *
   * @param at first element
   * @param length count of elements
   */
  void zero(long at, long length);

  /**
   * Whether the elements lie in no memory of the device as they are, but follow from others.
   *
   * @return true if they are converted on the host
   */
  default boolean isView() {
    return false;
  }

  /**
   * Whether elements of another memory follow those of this one, so that both are one run.
   *
   * @param end an element of this memory, or its length
   * @param next memory of the same device
   * @param from an element of it
   * @return true if that element is where this memory's element {@code end} is or would be
   */
  default boolean isContinuedBy(long end, Memory next, long from) {
    return next == this && from == end;
  }

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
