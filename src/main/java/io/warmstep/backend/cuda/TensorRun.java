package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Span;
import java.nio.ByteBuffer;

/** A span as one row of the table that the update reads. */
final class TensorRun {
  final int group;
  final ElementType type;
  private final long[] addresses; // values, gradients, then state
  private final int[] bytes; // of an element of each
  private final long length;

  TensorRun(Span span) {
    this.group = span.group();
    this.type = span.type();
    this.length = span.length();
    this.addresses = span.slices().stream().mapToLong(TensorRun::address).toArray();
    this.bytes = span.slices().stream().mapToInt(slice -> slice.memory().type().bytes()).toArray();
  }

  static long address(MemorySlice slice) {
    return ((CudaMemory) slice.memory()).addressOf(slice.offset());
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
