package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Parameters of one group that follow each other in all their memories: one row of the table. */
final class TensorRun {
  final int group;
  final ElementType type;
  private final long[] addresses; // values, gradients, then state
  private final int[] bytes; // of an element of each
  private long length;

  private TensorRun(int group, StepPlan.Entry entry) {
    this.group = group;
    this.type = entry.values().memory().type();
    this.addresses = new long[2 + entry.state().size()];
    this.bytes = new int[addresses.length];
    Arrays.fill(bytes, type.arithmetic().bytes());
    addresses[0] = address(entry.values());
    addresses[1] = address(entry.gradients());
    bytes[0] = type.bytes();
    bytes[1] = type.bytes();
    for (int i = 0; i < entry.state().size(); i++) {
      addresses[2 + i] = address(entry.state().get(i));
    }
    this.length = entry.length();
  }

  static long address(MemorySlice slice) {
    return ((CudaMemory) slice.memory()).addressOf(slice.offset());
  }

  /** All runs of a plan; an owned model is one for each group and type. */
  static List<TensorRun> of(StepPlan plan) {
    List<TensorRun> runs = new ArrayList<>();
    for (int group = 0; group < plan.groups().size(); group++) {
      for (StepPlan.Entry entry : plan.groups().get(group).entries()) {
        TensorRun run = new TensorRun(group, entry);
        boolean absorbed = !runs.isEmpty() && runs.get(runs.size() - 1).absorb(run);
        if (!absorbed && run.length > 0) {
          runs.add(run);
        }
      }
    }
    return runs;
  }

  /** Takes another run in if it continues this one everywhere. */
  private boolean absorb(TensorRun next) {
    if (next.group != group || next.type != type || next.addresses.length != addresses.length) {
      return false;
    }
    for (int i = 0; i < addresses.length; i++) {
      if (next.addresses[i] != addresses[i] + length * bytes[i]) {
        return false;
      }
    }
    length += next.length;
    return true;
  }

  /** Elements of a vector of an arithmetic type; parameters of half types have as many. */
  static int lanes(ElementType arithmetic) {
    return 16 / arithmetic.bytes();
  }

  /** Elements before the first at which all memories are aligned for vectors; -1 if none is. */
  int head() {
    int lanes = lanes(type.arithmetic());
    long misalignment = Math.floorMod(addresses[0] / bytes[0], lanes);
    for (int i = 0; i < addresses.length; i++) {
      // Elements of borrowed memory begin at multiples of their size.
      if (Math.floorMod(addresses[i] / bytes[i], lanes) != misalignment) {
        return -1;
      }
    }
    return Math.floorMod(-misalignment, lanes);
  }

  long tiles() {
    long afterHead = Math.max(length - Math.max(head(), 0), 0);
    return Math.max((afterHead + Layout.TILE - 1) / Layout.TILE, 1);
  }

  void write(ByteBuffer table) {
    for (int i = 0; i < 2 + Layout.MAX_SLOTS; i++) {
      table.putLong(i < addresses.length ? addresses[i] : 0);
    }
    table.putLong(length).putInt(group).putInt(head());
  }
}
