package io.warmstep.backend.cpu;

import io.warmstep.storage.Storage;
import java.util.IdentityHashMap;

/**
 * One thread's arrays of elements as they are stored, on their way between buffers and values; one
 * for each storage that needs it. Made ahead by {@link #prepare}, or when first needed.
 */
final class ElementScratch {
  private final int length;
  private final IdentityHashMap<Storage, Object> arrays = new IdentityHashMap<>();

  ElementScratch(int length) {
    this.length = length;
  }

  /** For what is more than elements of a type, once there is any. */
  private EncodingScratch encodings;

  EncodingScratch encodings() {
    if (encodings == null) {
      encodings = new EncodingScratch(length);
    }
    return encodings;
  }

  void prepare(CpuMemory memory) {
    if (memory.needsScratch()) {
      of(memory.storage());
    }
  }

  Object of(Storage storage) {
    Object array = arrays.get(storage);
    if (array == null) {
      array = storage.newArray(length);
      arrays.put(storage, array);
    }
    return array;
  }
}
