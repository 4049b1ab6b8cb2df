package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.Encoding;
import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.NewtonSchulz;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jocl.cl_mem;

/** A span in terms of buffers. */
final class OpenClSpan {
  final int group;
  final ElementType type;
  final cl_mem[] buffers; // values, gradients, then state
  final long[] offsets;
  final long length;
  final long rows; // length of the first dimension, if the span is one tensor
  final cl_mem[] kept; // state that holds one value for the tensor
  final long[] keptOffsets;

  /** Where the factors of squares lie, or null. */
  final StepPlan.Factors factors;

  private final List<OpenClMemory> memories;

  /** How each operand is stored, as kernels call it; empty if all are as the type says. */
  final List<String> encodings;

  /** Whether a slot is stored as codes, in groups that count from the first element. */
  final boolean isCoded;

  /** What masters keep beside the parameters, if anything, or else the parameters. */
  final cl_mem rest;

  /** In elements of the parameters. */
  final long restOffset;

  private final Optional<OpenClMemory> restMemory;

  /** Where the average of the parameters lies, if one is kept, or else the parameters. */
  final cl_mem average;

  final long averageOffset;
  private final Optional<OpenClMemory> averageMemory;

  /** Of the first parameter among all. */
  final int index;

  /** That random numbers of the first parameter follow from. */
  final int parameter;

  /** Of the first element within its parameter, from which random numbers count. */
  final long first;

  private final Span span;

  OpenClSpan(Span span) {
    this.span = span;
    this.group = span.group();
    this.type = span.type();
    this.length = span.length();
    this.rows = span.rows();
    this.memories =
        span.operands().stream().map(operand -> (OpenClMemory) operand.slice().memory()).toList();
    this.buffers = memories.stream().map(OpenClMemory::buffer).toArray(cl_mem[]::new);
    this.offsets =
        span.operands().stream().map(Operand::slice).mapToLong(OpenClSpan::offset).toArray();
    this.kept =
        span.kept().stream()
            .map(slice -> ((OpenClMemory) slice.memory()).buffer())
            .toArray(cl_mem[]::new);
    this.factors = span.factors().orElse(null);
    this.keptOffsets = span.kept().stream().mapToLong(OpenClSpan::offset).toArray();
    this.encodings =
        span.isUniform() ? List.of() : span.operands().stream().map(Encoding::nameOf).toList();
    this.isCoded = span.operands().stream().anyMatch(operand -> operand.encoding().isCoded());
    Optional<MemorySlice> beside = span.operands().get(0).rest();
    this.restMemory = beside.map(slice -> (OpenClMemory) slice.memory());
    this.rest = restMemory.map(OpenClMemory::buffer).orElse(buffers[0]);
    int perWord = span.operands().get(0).encoding().isMaster24() ? 2 : 1;
    this.restOffset = perWord * beside.map(OpenClSpan::offset).orElse(0L);
    this.averageMemory = span.average().map(slice -> (OpenClMemory) slice.memory());
    this.average = averageMemory.map(OpenClMemory::buffer).orElse(buffers[0]);
    this.averageOffset = span.average().map(OpenClSpan::offset).orElse(0L);
    this.index = span.entries().get(0).index();
    this.parameter = span.entries().get(0).number();
    this.first = span.entries().get(0).first();
  }

  /** The parameters as spans of their own. */
  List<OpenClSpan> parts() {
    return span.parts().stream().map(OpenClSpan::new).toList();
  }

  /** Whether operands are stored in several ways. */
  boolean isMixed() {
    return !encodings.isEmpty();
  }

  /** Whether an average is kept. */
  boolean hasAverage() {
    return averageMemory.isPresent();
  }

  cl_mem gradients() {
    return buffers[1];
  }

  /** Of the first element of the gradients in their buffer. */
  long gradientOffset() {
    return offsets[1];
  }

  /** Bytes of an element of the gradients. */
  int gradientBytes() {
    return memories.get(1).type().bytes();
  }

  /** The buffer that a slice is of. */
  static cl_mem buffer(MemorySlice slice) {
    return ((OpenClMemory) slice.memory()).buffer();
  }

  /** Its first element there. */
  static long offset(MemorySlice slice) {
    return ((OpenClMemory) slice.memory()).firstElement() + slice.offset();
  }

  /** Whether another span, of memory elsewhere, can have this one's segment. */
  boolean isLike(OpenClSpan other) {
    return length == other.length
        && group == other.group
        && type == other.type
        && encodings.equals(other.encodings)
        && hasAverage() == other.hasAverage();
  }

  List<Long> handles() {
    cl_mem[] both =
        factors == null
            ? new cl_mem[0]
            : new cl_mem[] {buffer(factors.rows()), buffer(factors.columns())};
    return Stream.of(buffers, kept, new cl_mem[] {rest, average}, both)
        .flatMap(Arrays::stream)
        .map(cl_mem::getNativePointer)
        .toList();
  }

  /**
   * Whether an element has the same place within a vector in every buffer, and no slot is stored as
   * codes, whose groups begin at the first element.
   */
  boolean isAligned(int lanes) {
    if (isCoded) {
      return false;
    }
    return memories.stream().allMatch(memory -> memory.isVectorAligned(lanes))
        && restMemory.map(memory -> memory.isVectorAligned(lanes)).orElse(true)
        && (restMemory.isEmpty() || restOffset % lanes == offsets[0] % lanes)
        && averageMemory.map(memory -> memory.isVectorAligned(lanes)).orElse(true)
        && (averageMemory.isEmpty() || averageOffset % lanes == offsets[0] % lanes)
        && Arrays.stream(offsets).allMatch(offset -> offset % lanes == offsets[0] % lanes);
  }

  /** Whether whole vectors begin at the first element in every buffer. */
  boolean isAlignedAtStart(int lanes) {
    return isAligned(lanes) && offsets[0] % lanes == 0;
  }

  /** Whether whole vectors of an operand begin at its first element. */
  boolean isAlignedAtStart(int operand, int lanes) {
    return offsets[operand] % lanes == 0 && memories.get(operand).isVectorAligned(lanes);
  }

  /** Type of the memory that an operand lies in. */
  ElementType operandType(int operand) {
    return memories.get(operand).type();
  }

  MatrixBatch.Matrix matrix(NewtonSchulz phase) {
    return new MatrixBatch.Matrix(phase, rows, length / rows);
  }

  /** How many leaves a tensor has. */
  long leaves() {
    return (length - 1) / StepPlan.LEAF + 1;
  }

  /**
   * How many tiles of a length cover the span, the first of which may begin before it; where the
   * memory may move, with any alignment.
   */
  long tiles(int lanes, long tileLength) {
    boolean mayMove = !isCoded && memories.stream().anyMatch(OpenClMemory::isBorrowed);
    long before = mayMove ? lanes - 1 : isAligned(lanes) ? offsets[0] % lanes : 0;
    return tiles(before + length, tileLength);
  }

  /** The same where the first tile begins at the first element. */
  long tiles(long tileLength) {
    return tiles(length, tileLength);
  }

  private static long tiles(long length, long tileLength) {
    return Math.max((length + tileLength - 1) / tileLength, 1);
  }
}
