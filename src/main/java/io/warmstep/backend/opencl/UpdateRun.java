package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jocl.cl_mem;

/** Parameters of one group that follow each other in all their buffers. */
final class UpdateRun {
  final int group;
  final ElementType type;
  final cl_mem[] buffers; // values, gradients, then state
  final long[] offsets;
  long length;
  private final List<OpenClMemory> memories;

  UpdateRun(int group, StepPlan.Entry entry) {
    List<MemorySlice> slices = new ArrayList<>();
    slices.add(entry.values());
    slices.add(entry.gradients());
    slices.addAll(entry.state());
    this.group = group;
    this.type = entry.values().memory().type();
    this.length = entry.length();
    this.buffers = new cl_mem[slices.size()];
    this.offsets = new long[slices.size()];
    this.memories = slices.stream().map(slice -> (OpenClMemory) slice.memory()).toList();
    for (int i = 0; i < buffers.length; i++) {
      OpenClMemory memory = memories.get(i);
      buffers[i] = memory.buffer();
      offsets[i] = memory.firstElement() + slices.get(i).offset();
    }
  }

  /** All runs of a plan, none empty. */
  static List<UpdateRun> of(StepPlan plan) {
    List<UpdateRun> runs = new ArrayList<>();
    for (int group = 0; group < plan.groups().size(); group++) {
      for (StepPlan.Entry entry : plan.groups().get(group).entries()) {
        UpdateRun run = new UpdateRun(group, entry);
        boolean absorbed = !runs.isEmpty() && runs.get(runs.size() - 1).absorb(run);
        if (run.length > 0 && !absorbed) {
          runs.add(run);
        }
      }
    }
    return runs;
  }

  private boolean absorb(UpdateRun next) {
    if (next.group != group || next.type != type || !next.handles().equals(handles())) {
      return false;
    }
    for (int i = 0; i < offsets.length; i++) {
      if (next.offsets[i] != offsets[i] + length) {
        return false;
      }
    }
    length += next.length;
    return true;
  }

  List<Long> handles() {
    return Arrays.stream(buffers).map(cl_mem::getNativePointer).toList();
  }

  /** Whether an element has the same place within a vector in every buffer. */
  boolean isAligned(int lanes) {
    return memories.stream().allMatch(memory -> memory.isVectorAligned(lanes))
        && Arrays.stream(offsets).allMatch(offset -> offset % lanes == offsets[0] % lanes);
  }

  /** How many tiles of a length cover the run, the first of which may begin before it. */
  long tiles(int lanes, long tileLength) {
    long before = isAligned(lanes) ? offsets[0] % lanes : 0;
    return (before + length + tileLength - 1) / tileLength;
  }
}
