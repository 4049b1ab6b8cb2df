package io.warmstep.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Copies elements between Java arrays and the bytes of a file. */
final class ElementCopy {
  /** Number of bytes read or written at a time. */
  static final int CHUNK = 1 << 20;

  private ElementCopy() {}

  /** A buffer for this many bytes, at least 8. */
  static ByteBuffer chunk(long bytes) {
    int size = (int) Math.min(CHUNK, bytes);
    return ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  static Object array(ElementFormat format, int length) {
    return switch (format) {
      case F32 -> new float[length];
      case F64 -> new double[length];
      case I64, U64 -> new long[length];
      case I32, U32 -> new int[length];
      case F16, BF16, I16, U16 -> new short[length];
      case BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0 -> new byte[length];
      case F4, F6_E2M3, F6_E3M2, C64 ->
          throw new IllegalArgumentException("Java has no array of " + format);
    };
  }

  /** Puts elements at the buffer's position, which stays. */
  static void put(Object array, int offset, int length, ByteBuffer to) {
    if (array instanceof float[] floats) {
      to.asFloatBuffer().put(floats, offset, length);
    } else if (array instanceof double[] doubles) {
      to.asDoubleBuffer().put(doubles, offset, length);
    } else if (array instanceof long[] longs) {
      to.asLongBuffer().put(longs, offset, length);
    } else if (array instanceof int[] ints) {
      to.asIntBuffer().put(ints, offset, length);
    } else if (array instanceof short[] shorts) {
      to.asShortBuffer().put(shorts, offset, length);
    } else {
      to.duplicate().put((byte[]) array, offset, length);
    }
  }

  /** Gets elements from the buffer's position, which stays. */
  static void get(ByteBuffer from, Object array, int offset, int length) {
    if (array instanceof float[] floats) {
      from.asFloatBuffer().get(floats, offset, length);
    } else if (array instanceof double[] doubles) {
      from.asDoubleBuffer().get(doubles, offset, length);
    } else if (array instanceof long[] longs) {
      from.asLongBuffer().get(longs, offset, length);
    } else if (array instanceof int[] ints) {
      from.asIntBuffer().get(ints, offset, length);
    } else if (array instanceof short[] shorts) {
      from.asShortBuffer().get(shorts, offset, length);
    } else {
      from.duplicate().get((byte[]) array, offset, length);
    }
  }
}
