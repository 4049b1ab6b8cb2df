package io.warmstep.storage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/**
 * Copies the bits of floats to ints and back. C2 vectorizes loops over floats and loops over ints,
 * but not {@link Float#floatToRawIntBits}; two copies of a block take a small part of the time that
 * a loop over single elements does. Used by one thread at a time.
 */
final class FloatBits {
  private final FloatBuffer floats;
  private final IntBuffer ints;

  /**
   * Makes room.
   *
   * @param length most elements at a time
   */
  FloatBits(int length) {
    ByteBuffer bytes = ByteBuffer.allocate(length * Float.BYTES).order(ByteOrder.nativeOrder());
    floats = bytes.asFloatBuffer();
    ints = bytes.asIntBuffer();
  }

  /** Copies the bits of floats from an index on, to the beginning of an array. */
  void toInts(float[] values, int from, int[] bits, int length) {
    floats.put(0, values, from, length);
    ints.get(0, bits, 0, length);
  }

  /** The reverse. */
  void toFloats(int[] bits, float[] values, int to, int length) {
    ints.put(0, bits, 0, length);
    floats.get(0, values, to, length);
  }
}
