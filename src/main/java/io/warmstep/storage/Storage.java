package io.warmstep.storage;

import io.warmstep.ElementType;
import java.nio.Buffer;
import java.nio.ByteBuffer;

/**
 * A way to store elements. It allocates, converts and moves them, and knows nothing of optimizers;
 * nothing else chooses by the type of elements.
 *
 * <p>What holds elements in Java is an object of the storage's own choice, called their array: a
 * Java array for those that have one, and for those of several parts, as codes with scales would
 * be, an object with an array for each. Elements are numbered from 0 in it and in the bytes of a
 * device. Where {@link #elementsPerBlock} is above 1, a range begins at a multiple of that.
 *
 * <p>Values are elements in the arithmetic type: a {@code float[]} or {@code double[]}.
 */
public abstract class Storage {
  /** Elements that are set to zero at a time in a buffer; of whole blocks. */
  private static final int ZEROS = 2048;

  private final ElementType type;
  private final String format;
  private final Object zeros = newArray(ZEROS);

  /**
   * A way to store elements.
   *
   * @param type what the elements are
   * @param format see {@link #format()}
   */
  Storage(ElementType type, String format) {
    this.type = type;
    this.format = format;
  }

  /**
   * The way to store a type.
   *
   * @param type of the elements
   * @return always the same object for a type
   */
  public static Storage of(ElementType type) {
    return Storages.of(type);
  }

  /**
   * The element type.
   *
   * @return what the elements are to users
   */
  public final ElementType type() {
    return type;
  }

  /**
   * What a tensor's elements are called in a safetensors file.
   *
   * @return a dtype such as {@code F32}
   */
  public final String format() {
    return format;
  }

  /**
   * How many elements are stored together, counted from the first of a parameter.
   *
   * @return 1 where each can be had alone
   */
  public int elementsPerBlock() {
    return 1;
  }

  /**
   * Bytes of a device that elements take.
   *
   * @param elements how many, at least 0
   * @return the count of bytes
   */
  public long bytes(long elements) {
    return elements * type.bytes();
  }

  /**
   * Whether an array of elements is one of values, so that a rule can work on it in place.
   *
   * @return true if nothing has to be converted
   */
  public abstract boolean isArithmetic();

  /**
   * Makes an array.
   *
   * @param length count of elements
   * @return an array of zeros
   */
  public abstract Object newArray(int length);

  /**
   * Copies elements from one array to another.
   *
   * @param source an array of this storage's
   * @param from its first element
   * @param target an array of this storage's
   * @param to its first element
   * @param length count of elements
   */
  @SuppressWarnings("SuspiciousSystemArraycopy") // both are arrays of this storage's
  public void copy(Object source, int from, Object target, int to, int length) {
    System.arraycopy(source, from, target, to, length);
  }

  /**
   * Copies elements out as values, exactly.
   *
   * @param array an array of this storage's
   * @param from its first element
   * @param values an array of the arithmetic type
   * @param to its first index
   * @param length count of elements
   */
  public abstract void load(Object array, int from, Object values, int to, int length);

  /**
   * Overwrites elements with values, rounded to nearest even.
   *
   * @param values an array of the arithmetic type
   * @param from its first index
   * @param array an array of this storage's
   * @param to its first element
   * @param length count of elements
   */
  public abstract void store(Object values, int from, Object array, int to, int length);

  /**
   * Overwrites elements with values, rounded to nearest even.
   *
   * @param values in float32
   * @param from the first index
   * @param array an array of this storage's
   * @param to its first element
   * @param length count of elements
   */
  public void storeFloats(float[] values, int from, Object array, int to, int length) {
    store(values, from, array, to, length);
  }

  /**
   * Copies elements out as float32, rounded to nearest even.
   *
   * @param array an array of this storage's
   * @param from its first element
   * @param values the target
   * @param to its first index
   * @param length count of elements
   */
  public void loadFloats(Object array, int from, float[] values, int to, int length) {
    load(array, from, values, to, length);
  }

  /**
   * Sets elements to a number.
   *
   * @param array an array of this storage's
   * @param from the first element
   * @param to the element after the last
   * @param value rounded to nearest even
   */
  public abstract void fill(Object array, int from, int to, double value);

  /**
   * Bytes as a buffer of elements, for {@link #put} and {@link #get}.
   *
   * @param bytes in native order, from position to limit
   * @return a view
   */
  public abstract Buffer view(ByteBuffer bytes);

  /**
   * Copies elements as they are stored into a buffer.
   *
   * @param array an array of this storage's
   * @param from its first element
   * @param buffer from {@link #view}, or one of the caller's of that kind
   * @param at its first element; the position stays
   * @param length count of elements
   */
  public abstract void put(Object array, int from, Buffer buffer, int at, int length);

  /**
   * Copies elements as they are stored out of a buffer.
   *
   * @param buffer from {@link #view}, or one of the caller's of that kind
   * @param at its first element; the position stays
   * @param array an array of this storage's
   * @param to its first element
   * @param length count of elements
   */
  public abstract void get(Buffer buffer, int at, Object array, int to, int length);

  /**
   * Sets elements of a buffer to zero.
   *
   * @param buffer from {@link #view}, or one of the caller's of that kind
   * @param at its first element; the position stays
   * @param length count of elements
   */
  public final void zero(Buffer buffer, int at, int length) {
    for (int done = 0; done < length; ) {
      int n = Math.min(ZEROS, length - done);
      put(zeros, 0, buffer, at + done, n);
      done += n;
    }
  }

  /**
   * Bits of an element.
   *
   * @param array an array of this storage's
   * @param at which element
   * @return its bits, the lowest first, zeros above them
   */
  public abstract long bits(Object array, int at);

  /**
   * Overwrites an element.
   *
   * @param array an array of this storage's
   * @param at which element
   * @param bits of the element, the lowest first
   */
  public abstract void setBits(Object array, int at, long bits);

  @Override
  public final String toString() {
    return type.toString();
  }
}
