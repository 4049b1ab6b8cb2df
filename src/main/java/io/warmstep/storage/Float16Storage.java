package io.warmstep.storage;

import io.warmstep.ElementType;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/** IEEE half precision. */
final class Float16Storage extends HalfStorage {
  /** From JDK 21 on Java has an instruction's conversion, in all of its compilers the same. */
  private static final int JDK_WITH_INSTRUCTION = 21;

  /** NaNs of which an instruction must keep what {@link HalfFloats} keeps. */
  private static final int[] NANS = {0x7f800001, 0xff801fff, 0x7fa02000, 0xffffffff};

  /**
   * {@code Float.floatToFloat16}, which is compiled into vector instructions; null where there is
   * none with our bits.
   */
  private static final MethodHandle INSTRUCTION = instruction();

  /** All values, made at the first use: to look one up is three times as fast as computing it. */
  private static final class Values {
    static final float[] OF_BITS = new float[1 << Short.SIZE];

    static {
      for (int bits = 0; bits < OF_BITS.length; bits++) {
        OF_BITS[bits] = HalfFloats.fromFloat16((short) bits);
      }
    }
  }

  Float16Storage() {
    super(ElementType.FLOAT16, "F16");
  }

  private static MethodHandle instruction() {
    if (Runtime.version().feature() < JDK_WITH_INSTRUCTION) {
      return null;
    }
    try {
      MethodHandle handle =
          MethodHandles.publicLookup()
              .findStatic(
                  Float.class, "floatToFloat16", MethodType.methodType(short.class, float.class));
      for (int bits : NANS) {
        float nan = Float.intBitsToFloat(bits);
        if (narrow(handle, nan) != HalfFloats.toFloat16(nan)) {
          return null;
        }
      }
      return handle;
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("Float.floatToFloat16 is missing from Java " + Runtime.version(), e);
    }
  }

  private static short narrow(MethodHandle handle, float value) {
    try {
      return (short) handle.invokeExact(value);
    } catch (Throwable e) { // it declares none
      throw new AssertionError(e);
    }
  }

  @Override
  public void load(Object array, int from, Object values, int to, int length) {
    short[] bits = (short[]) array;
    float[] target = (float[]) values;
    for (int i = 0; i < length; i++) {
      target[to + i] = Values.OF_BITS[bits[from + i] & 0xffff];
    }
  }

  @Override
  public void store(Object values, int from, Object array, int to, int length) {
    float[] source = (float[]) values;
    short[] bits = (short[]) array;
    if (INSTRUCTION == null) {
      for (int i = 0; i < length; i++) {
        bits[to + i] = HalfFloats.toFloat16(source[from + i]);
      }
    } else {
      for (int i = 0; i < length; i++) {
        bits[to + i] = narrow(INSTRUCTION, source[from + i]);
      }
    }
  }

  @Override
  short narrow(float value) {
    return HalfFloats.toFloat16(value);
  }
}
