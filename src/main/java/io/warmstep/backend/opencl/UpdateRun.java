package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.Operand;
import io.warmstep.backend.Span;
import java.util.Arrays;
import java.util.List;
import org.jocl.cl_mem;

/** A span in terms of buffers. */
final class UpdateRun {
  final int group;
  final ElementType type;
  final cl_mem[] buffers; // values, gradients, then state
  final long[] offsets;
  final long length;
  private final List<OpenClMemory> memories;

  UpdateRun(Span span) {
    this.group = span.group();
    this.type = span.type();
    this.length = span.length();
    this.memories =
        span.operands().stream().map(operand -> (OpenClMemory) operand.slice().memory()).toList();
    this.buffers = memories.stream().map(OpenClMemory::buffer).toArray(cl_mem[]::new);
    this.offsets =
        span.operands().stream()
            .map(Operand::slice)
            .mapToLong(slice -> ((OpenClMemory) slice.memory()).firstElement() + slice.offset())
            .toArray();
  }

  /** Whether another run, of memory elsewhere, can have this one's segment. */
  boolean isLike(UpdateRun other) {
    return length == other.length && group == other.group && type == other.type;
  }

  List<Long> handles() {
    return Arrays.stream(buffers).map(cl_mem::getNativePointer).toList();
  }

  /** Whether an element has the same place within a vector in every buffer. */
  boolean isAligned(int lanes) {
    return memories.stream().allMatch(memory -> memory.isVectorAligned(lanes))
        && Arrays.stream(offsets).allMatch(offset -> offset % lanes == offsets[0] % lanes);
  }

  /**
   * How many tiles of a length cover the run, the first of which may begin before it; where the
   * memory may move, with any alignment.
   */
  long tiles(int lanes, long tileLength) {
    boolean mayMove = memories.stream().anyMatch(OpenClMemory::isBorrowed);
    long before = mayMove ? lanes - 1 : isAligned(lanes) ? offsets[0] % lanes : 0;
    return (before + length + tileLength - 1) / tileLength;
  }
}
