package io.warmstep.storage;

import io.warmstep.ElementType;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** The list of the ways to store elements. */
final class Storages {
  private static final Map<ElementType, Storage> BY_TYPE = new EnumMap<>(ElementType.class);

  static {
    for (Storage storage :
        List.of(
            new Float32Storage(),
            new Float64Storage(),
            new Float16Storage(),
            new Bfloat16Storage())) {
      BY_TYPE.put(storage.type(), storage);
    }
  }

  private Storages() {}

  static Storage of(ElementType type) {
    return BY_TYPE.get(type);
  }
}
