package io.warmstep.storage;

import io.warmstep.ElementType;

/** The upper half of float32. */
final class Bfloat16Storage extends HalfStorage {
  Bfloat16Storage() {
    super(ElementType.BFLOAT16, "BF16");
  }

  @Override
  public void load(Object array, int from, Object values, int to, int length) {
    short[] bits = (short[]) array;
    float[] target = (float[]) values;
    for (int i = 0; i < length; i++) {
      target[to + i] = HalfFloats.fromBfloat16(bits[from + i]);
    }
  }

  @Override
  public void store(Object values, int from, Object array, int to, int length) {
    float[] source = (float[]) values;
    short[] bits = (short[]) array;
    for (int i = 0; i < length; i++) {
      bits[to + i] = HalfFloats.toBfloat16(source[from + i]);
    }
  }

  @Override
  short narrow(float value) {
    return HalfFloats.toBfloat16(value);
  }
}
