package io.warmstep.storage;

import io.warmstep.ElementType;

/** IEEE half precision. */
final class Float16Storage extends HalfStorage {
  Float16Storage() {
    super(ElementType.FLOAT16, "F16");
  }

  @Override
  public void load(Object array, int from, Object values, int to, int length) {
    short[] bits = (short[]) array;
    float[] target = (float[]) values;
    for (int i = 0; i < length; i++) {
      target[to + i] = HalfFloats.fromFloat16(bits[from + i]);
    }
  }

  @Override
  public void store(Object values, int from, Object array, int to, int length) {
    float[] source = (float[]) values;
    short[] bits = (short[]) array;
    for (int i = 0; i < length; i++) {
      bits[to + i] = HalfFloats.toFloat16(source[from + i]);
    }
  }

  @Override
  short narrow(float value) {
    return HalfFloats.toFloat16(value);
  }
}
