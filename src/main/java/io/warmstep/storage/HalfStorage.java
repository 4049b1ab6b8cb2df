package io.warmstep.storage;

import io.warmstep.ElementType;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;

/** Elements as 16 bits each in a {@code short[]}, computed with in float32. */
abstract class HalfStorage extends Storage {
  HalfStorage(ElementType type, String format) {
    super(type, format);
  }

  @Override
  public final boolean isArithmetic() {
    return false;
  }

  @Override
  public final Object newArray(int length) {
    return new short[length];
  }

  @Override
  public final void fill(Object array, int from, int to, double value) {
    Arrays.fill((short[]) array, from, to, narrow((float) value));
  }

  /** The bits of a value, rounded to nearest even. */
  abstract short narrow(float value);

  @Override
  public final Buffer view(ByteBuffer bytes) {
    return bytes.asShortBuffer();
  }

  @Override
  public final void put(Object array, int from, Buffer buffer, int at, int length) {
    ((ShortBuffer) buffer).put(at, (short[]) array, from, length);
  }

  @Override
  public final void get(Buffer buffer, int at, Object array, int to, int length) {
    ((ShortBuffer) buffer).get(at, (short[]) array, to, length);
  }

  @Override
  public final long bits(Object array, int at) {
    return Short.toUnsignedLong(((short[]) array)[at]);
  }

  @Override
  public final void setBits(Object array, int at, long bits) {
    ((short[]) array)[at] = (short) bits;
  }
}
