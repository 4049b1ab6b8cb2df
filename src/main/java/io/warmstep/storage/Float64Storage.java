package io.warmstep.storage;

import io.warmstep.ElementType;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.util.Arrays;

/** Elements in a {@code double[]}. */
final class Float64Storage extends Storage {
  Float64Storage() {
    super(ElementType.FLOAT64, "F64");
  }

  @Override
  public boolean isArithmetic() {
    return true;
  }

  @Override
  public Object newArray(int length) {
    return new double[length];
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
  public void storeFloats(float[] values, int from, Object array, int to, int length) {
    double[] target = (double[]) array;
    for (int i = 0; i < length; i++) {
      target[to + i] = values[from + i];
    }
  }

  @Override
  public void loadFloats(Object array, int from, float[] values, int to, int length) {
    double[] source = (double[]) array;
    for (int i = 0; i < length; i++) {
      values[to + i] = (float) source[from + i];
    }
  }

  @Override
  public void fill(Object array, int from, int to, double value) {
    Arrays.fill((double[]) array, from, to, value);
  }

  @Override
  public Buffer view(ByteBuffer bytes) {
    return bytes.asDoubleBuffer();
  }

  @Override
  public void put(Object array, int from, Buffer buffer, int at, int length) {
    ((DoubleBuffer) buffer).put(at, (double[]) array, from, length);
  }

  @Override
  public void get(Buffer buffer, int at, Object array, int to, int length) {
    ((DoubleBuffer) buffer).get(at, (double[]) array, to, length);
  }

  @Override
  public long bits(Object array, int at) {
    return Double.doubleToRawLongBits(((double[]) array)[at]);
  }

  @Override
  public void setBits(Object array, int at, long bits) {
    ((double[]) array)[at] = Double.longBitsToDouble(bits);
  }
}
