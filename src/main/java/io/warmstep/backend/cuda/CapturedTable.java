package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where the groups' numbers of a captured step lie when it runs: one after the other, those of a
 * rule in one arithmetic, which all of its launches read.
 */
final class CapturedTable {
  private final Map<Numbers, Integer> offsets = new LinkedHashMap<>();
  private final int bytes;
  private final Arena.Part part;

  private record Numbers(StepPlan.SameRule rule, ElementType arithmetic) {}

  /** Reserves the room. */
  CapturedTable(Arena arena, Collection<CudaLaunches.Launch> launches) {
    int end = 0;
    for (CudaLaunches.Launch launch : launches) {
      ElementType arithmetic = launch.type().arithmetic();
      if (offsets.putIfAbsent(new Numbers(launch.rule(), arithmetic), end) == null) {
        end = Math.addExact(end, CudaUpdate.tableBytes(launch.rule(), arithmetic));
      }
    }
    bytes = end;
    part = arena.reserve(bytes);
  }

  /** Of all numbers of a step, a multiple of 8. */
  int bytes() {
    return bytes;
  }

  Arena.Part part() {
    return part;
  }

  /** Where those of a rule begin. */
  int offset(StepPlan.SameRule rule, ElementType type) {
    return offsets.get(new Numbers(rule, type.arithmetic()));
  }
}
