package io.warmstep;

import java.nio.Buffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/**
 * Copies between a tensor and a buffer, a chunk at a time. Buffers over an array of the tensor's
 * own type are copied as they are.
 */
final class BufferCopy {
  private static final int CHUNK = 1 << 14;

  private final Tensor tensor;

  BufferCopy(Tensor tensor) {
    this.tensor = tensor;
  }

  void from(Buffer values) {
    check(values);
    if (isStored(values)) {
      if (values.hasArray()) {
        int at = values.arrayOffset() + values.position();
        tensor.write(0, values.array(), at, values.remaining());
      } else {
        tensor.write(values);
      }
      values.position(values.limit());
    } else if (values instanceof FloatBuffer floats) {
      inChunks(
          (slice, n) -> {
            float[] chunk = new float[n];
            floats.get(chunk);
            slice.copyFrom(chunk);
          });
    } else {
      inChunks(
          (slice, n) -> {
            double[] chunk = new double[n];
            ((DoubleBuffer) values).get(chunk);
            slice.copyFrom(chunk);
          });
    }
  }

  void to(Buffer values) {
    check(values);
    if (values.isReadOnly()) {
      throw new IllegalArgumentException(
          "buffer is read-only, must be writable: pass the one that it is a view of");
    }
    if (isStored(values)) {
      if (values.hasArray()) {
        int at = values.arrayOffset() + values.position();
        tensor.read(0, values.array(), at, values.remaining());
      } else {
        tensor.read(values);
      }
      values.position(values.limit());
    } else if (values instanceof FloatBuffer floats) {
      inChunks((slice, n) -> floats.put(slice.toFloats()));
    } else {
      inChunks((slice, n) -> ((DoubleBuffer) values).put(slice.toDoubles()));
    }
  }

  private void check(Buffer buffer) {
    tensor.checkOpen();
    if (!(buffer instanceof FloatBuffer
        || buffer instanceof DoubleBuffer
        || (buffer instanceof ShortBuffer && tensor.type().isHalf()))) {
      throw new IllegalArgumentException(
          "buffer is "
              + buffer
              + ", must be a FloatBuffer or a DoubleBuffer"
              + (tensor.type().isHalf() ? ", or a ShortBuffer of bits" : "")
              + ": take such a view of it");
    }
    if (buffer.remaining() != tensor.length()) {
      throw new IllegalArgumentException(
          "buffer has "
              + buffer.remaining()
              + " elements remaining, must have "
              + tensor.length()
              + " like this tensor: set its limit, or copy a slice(from, length)");
    }
  }

  /** Whether a buffer has the Java type that holds the tensor's elements. */
  private boolean isStored(Buffer buffer) {
    return switch (tensor.type()) {
      case FLOAT32 -> buffer instanceof FloatBuffer;
      case FLOAT64 -> buffer instanceof DoubleBuffer;
      case FLOAT16, BFLOAT16 -> buffer instanceof ShortBuffer;
    };
  }

  /** The work on each part of the tensor. */
  private interface Part {
    void copy(Tensor slice, int length);
  }

  private void inChunks(Part part) {
    for (long at = 0; at < tensor.length(); at += CHUNK) {
      int n = (int) Math.min(CHUNK, tensor.length() - at);
      part.copy(tensor.slice(at, n), n);
    }
  }
}
