package io.warmstep;

import io.warmstep.backend.HalfFloats;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.TensorEntry;
import java.io.IOException;
import java.util.Arrays;

/**
 * A tensor of a file and where it goes, a chunk at a time.
 *
 * @param entry in the file
 * @param target of as many elements, and of the same type or a wider one
 */
record TensorCopy(TensorEntry entry, Tensor target) {
  private static final int CHUNK = 1 << 16;

  /** Whether every element of a file's type is one of a device's type. */
  static boolean isExact(ElementFormat from, ElementType to) {
    if (from == OptimizerSaver.format(to)) {
      return true;
    }
    return switch (from) {
      case F16, BF16 -> !to.isHalf();
      case F32 -> to == ElementType.FLOAT64;
      default -> false;
    };
  }

  void run(CheckpointReader reader) throws IOException {
    int length = (int) Math.min(CHUNK, target.length());
    Object read = array(entry.format(), length);
    Object written = array(OptimizerSaver.format(target.type()), length);
    for (long at = 0; at < target.length(); at += CHUNK) {
      int n = (int) Math.min(CHUNK, target.length() - at);
      reader.read(entry, at, read, 0, n);
      if (read.getClass() == written.getClass()) {
        target.write(at, read, 0, n);
      } else {
        widen(read, written, n);
        target.write(at, written, 0, n);
      }
    }
  }

  private void widen(Object from, Object to, int length) {
    float[] floats;
    if (from instanceof short[] bits) {
      ElementType type =
          entry.format() == ElementFormat.F16 ? ElementType.FLOAT16 : ElementType.BFLOAT16;
      floats = to instanceof float[] target ? target : new float[length];
      HalfFloats.widen(type, bits, 0, floats, 0, length);
    } else {
      floats = (float[]) from;
    }
    if (to instanceof double[] doubles) {
      for (int i = 0; i < length; i++) {
        doubles[i] = floats[i];
      }
    }
  }

  /** Sets all elements of a state to a number. */
  static void fill(Tensor target, double value) {
    if (value == 0) {
      target.zero();
      return;
    }
    int length = (int) Math.min(CHUNK, target.length());
    Object array = array(OptimizerSaver.format(target.type()), length);
    if (array instanceof double[] doubles) {
      Arrays.fill(doubles, value);
    } else {
      Arrays.fill((float[]) array, (float) value);
    }
    for (long at = 0; at < target.length(); at += CHUNK) {
      target.write(at, array, 0, (int) Math.min(CHUNK, target.length() - at));
    }
  }

  private static Object array(ElementFormat format, int length) {
    return switch (format) {
      case F32 -> new float[length];
      case F64 -> new double[length];
      default -> new short[length];
    };
  }
}
