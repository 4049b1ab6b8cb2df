package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;

/** Where a borrowed tensor lies, to find two that share memory. */
record MemoryRegion(String what, Object base, long start, long end) {
  static MemoryRegion of(String what, Tensor tensor) {
    MemorySlice slice = tensor.slice();
    Memory.Location location = slice.memory().location();
    long start = location.start() + slice.offset() * tensor.type().bytes();
    return new MemoryRegion(
        what, location.base(), start, start + tensor.length() * tensor.type().bytes());
  }

  static void checkDisjoint(List<MemoryRegion> regions) {
    IdentityHashMap<Object, List<MemoryRegion>> byBase = new IdentityHashMap<>();
    for (MemoryRegion region : regions) {
      byBase.computeIfAbsent(region.base, base -> new ArrayList<>()).add(region);
    }
    for (List<MemoryRegion> sharing : byBase.values()) {
      sharing.sort(Comparator.comparingLong(MemoryRegion::start));
      MemoryRegion previous = null;
      for (MemoryRegion region : sharing) {
        if (region.start == region.end) {
          continue;
        }
        if (previous != null && region.start < previous.end) {
          throw new IllegalArgumentException(
              region.what + " overlap " + previous.what + ", must be memory of their own");
        }
        previous = region;
      }
    }
  }
}
