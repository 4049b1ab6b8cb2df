package io.warmstep.storage;

import io.warmstep.ElementType;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;

/** Elements in a {@code float[]}. */
final class Float32Storage extends Storage {
  Float32Storage() {
    super(ElementType.FLOAT32, "F32");
  }

  @Override
  public boolean isArithmetic() {
    return true;
  }

  @Override
  public Object newArray(int length) {
    return new float[length];
  }

  @Override
  public void load(Object array, int from, Object values, int to, int length) {
    copy(array, from, values, to, length);
  }

  @Override
  public void store(Object values, int from, Object array, int to, int length) {
    copy(values, from, array, to, length);
  }

  @Override
  public void fill(Object array, int from, int to, double value) {
    Arrays.fill((float[]) array, from, to, (float) value);
  }

  @Override
  public Buffer view(ByteBuffer bytes) {
    return bytes.asFloatBuffer();
  }

  @Override
  public void put(Object array, int from, Buffer buffer, int at, int length) {
    ((FloatBuffer) buffer).put(at, (float[]) array, from, length);
  }

  @Override
  public void get(Buffer buffer, int at, Object array, int to, int length) {
    ((FloatBuffer) buffer).get(at, (float[]) array, to, length);
  }

  @Override
  public long bits(Object array, int at) {
    return Integer.toUnsignedLong(Float.floatToRawIntBits(((float[]) array)[at]));
  }

  @Override
  public void setBits(Object array, int at, long bits) {
    ((float[]) array)[at] = Float.intBitsToFloat((int) bits);
  }
}
