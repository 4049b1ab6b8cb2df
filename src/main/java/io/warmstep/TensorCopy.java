package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.storage.Storage;
import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;

/**
 * A tensor of a file and its destination, copied a chunk at a time.
 *
 * @param entry in the file
 * @param target with as many elements, of the same type or a wider one
 */
record TensorCopy(TensorEntry entry, Tensor target) implements FileCopy {
  private static final int CHUNK = 1 << 16;

  /** Whether every element of a file's type is one of a device's type. */
  static boolean isExact(ElementFormat from, ElementType to) {
    Optional<ElementType> source = type(from);
    return source.isPresent() && (source.get() == to || source.get().bytes() < to.bytes());
  }

  /** The element type whose elements are stored in a file in a format. */
  private static Optional<ElementType> type(ElementFormat format) {
    return Arrays.stream(ElementType.values())
        .filter(type -> OptimizerSaver.format(type) == format)
        .findFirst();
  }

  @Override
  public void run(CheckpointReader reader) throws IOException {
    int length = (int) Math.min(CHUNK, target.length());
    Storage source = Storage.of(type(entry.format()).orElseThrow());
    Storage storage = Storage.of(target.type());
    Object read = source.newArray(length);
    float[] floats = new float[source == storage ? 0 : length];
    Object written = source == storage ? read : storage.newArray(length);
    for (long at = 0; at < target.length(); at += CHUNK) {
      int n = (int) Math.min(CHUNK, target.length() - at);
      reader.read(entry, at, read, 0, n);
      if (source != storage) { // whatever can be widened is a float32
        source.loadFloats(read, 0, floats, 0, n);
        storage.storeFloats(floats, 0, written, 0, n);
      }
      target.write(at, written, 0, n);
    }
  }

  /** Sets all elements of a state to a number. */
  static void fill(Tensor target, double value) {
    if (value == 0) {
      target.zero();
      return;
    }
    int length = (int) Math.min(CHUNK, target.length());
    Storage storage = Storage.of(target.type());
    Object array = storage.newArray(length);
    storage.fill(array, 0, length, value);
    for (long at = 0; at < target.length(); at += CHUNK) {
      target.write(at, array, 0, (int) Math.min(CHUNK, target.length() - at));
    }
  }

  /** Copies elements to a tensor of the same device, and of the same type or a wider one. */
  static void widen(Tensor from, Tensor to) {
    if (from.type() == to.type()) {
      to.copyFrom(from);
      return;
    }
    int length = (int) Math.min(CHUNK, to.length());
    Storage source = Storage.of(from.type());
    Storage target = Storage.of(to.type());
    Object read = source.newArray(length);
    float[] floats = new float[length];
    Object written = target.newArray(length);
    for (long at = 0; at < to.length(); at += CHUNK) {
      int n = (int) Math.min(CHUNK, to.length() - at);
      from.read(at, read, 0, n);
      source.loadFloats(read, 0, floats, 0, n);
      target.storeFloats(floats, 0, written, 0, n);
      to.write(at, written, 0, n);
    }
  }
}
