package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.Encoding;
import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.Storage;
import java.util.Arrays;
import java.util.stream.IntStream;

/** A span in terms of memories on the processor. */
final class CpuSpan {
  final GroupStep group;
  final boolean isDouble;
  final CpuMemory[] memories; // values, gradients, then state; inverse roots of factors come last
  final long[] offsets;
  final long length;

  /** Where the factors of squares lie, or null. */
  final StepPlan.Factors factors;

  /** Each operand as it is stored. */
  private final Operand[] operands;

  /** Whether the first phase of a rule writes state that is kept in fewer bits than it has. */
  final boolean movesRoundedState;

  /** Whether any is more than elements of a type. */
  private final boolean isEncoded;

  /** Whether elements of a group share words of memory, which then are one thread's. */
  private final boolean isPacked;

  /** Where the average of the parameters lies, or null. */
  private MemorySlice average;

  /** That random numbers of the first parameter follow from. */
  private final int parameter;

  /** Of each parameter among all, and where it begins; and the end of the last. */
  private final int[] indices;

  private final long[] starts;

  /** The operands that are stored as codes. */
  private final int[] coded;

  /** Of the first element within its parameter, likewise. */
  private final long first;

  /** Length of the tensor's first dimension, if the span is one tensor. */
  final long rows;

  /** State that holds one value for the tensor. */
  final MemorySlice[] kept;

  /** Of the tensor, in this step. */
  final float[] floatNumbers;

  final double[] doubleNumbers;

  /** What gradients are multiplied by in this step besides the group's scale. */
  float floatFactor = 1;

  double doubleFactor = 1;

  CpuSpan(GroupStep group, Span span) {
    this.group = group;
    this.isDouble = span.type() == ElementType.FLOAT64;
    this.operands = span.operands().toArray(Operand[]::new);
    this.factors = span.factors().orElse(null);
    int count = operands.length + (factors == null ? 0 : 1);
    this.memories = new CpuMemory[count];
    this.offsets = new long[count];
    this.length = span.length();
    this.rows = span.rows();
    this.kept = span.kept().toArray(MemorySlice[]::new);
    int numbers = group.sums == null ? 0 : group.sums.numberNames().size();
    this.floatNumbers = new float[isDouble ? 0 : numbers];
    this.doubleNumbers = new double[isDouble ? numbers : 0];
    this.parameter = span.entries().get(0).number();
    this.first = span.entries().get(0).first();
    this.indices = span.entries().stream().mapToInt(StepPlan.Entry::index).toArray();
    this.starts = new long[indices.length + 1];
    for (int i = 0; i < indices.length; i++) {
      starts[i + 1] = starts[i] + span.entries().get(i).length();
    }
    this.coded =
        IntStream.range(0, operands.length).filter(i -> operands[i].encoding().isCoded()).toArray();
    this.isEncoded =
        span.average().isPresent()
            || Arrays.stream(operands).anyMatch(operand -> operand.encoding() != Encoding.PLAIN);
    this.isPacked = Arrays.stream(operands).anyMatch(operand -> operand.encoding().isPacked());
    this.movesRoundedState =
        group.sums != null
            && IntStream.range(2, operands.length)
                .filter(group.sums.summing()::writes)
                .anyMatch(i -> !operands[i].storage().isArithmetic());
    if (factors != null) {
      Storage arithmetic = Storage.of(span.type().arithmetic());
      memories[operands.length] = new FactoredMemory(factors, arithmetic, isDouble);
    }
    bind(span);
  }

  /** Looks up where the operands lie. */
  void bind(Span span) {
    for (int i = 0; i < operands.length; i++) {
      operands[i] = span.operands().get(i);
      MemorySlice slice = operands[i].slice();
      memories[i] = (CpuMemory) slice.memory();
      offsets[i] = slice.offset();
    }
    average = span.average().orElse(null);
  }

  /** Makes room for what elements are copied by. */
  void prepare(ElementScratch scratch) {
    for (CpuMemory memory : memories) {
      scratch.prepare(memory);
    }
    if (isEncoded) {
      scratch.encodings();
    }
  }

  /** Copies numbers of an operand into an array of the arithmetic type. */
  void load(int operand, long at, Object target, int to, int n, ElementScratch scratch) {
    if (operand == operands.length) {
      memories[operand].load(at, target, to, n, scratch);
      return;
    }
    Operand its = operands[operand];
    if (its.encoding() == Encoding.MASTER) {
      EncodingScratch masters = scratch.encodings();
      masters.loadMasters(its.slice(), its.rest().get(), at, (float[]) target, to, n);
    } else if (its.encoding().isMaster24()) {
      scratch.encodings().loadMasters24(its, at, (float[]) target, to, n);
    } else if (its.encoding().isCoded()) {
      scratch.encodings().loadCodes(its, length, at, (float[]) target, to, n);
    } else {
      memories[operand].load(offsets[operand] + at, target, to, n, scratch);
    }
  }

  boolean hasAverage() {
    return average != null;
  }

  /** Takes parameters into their average. */
  void average(long at, Object parameters, int from, int n, ElementScratch scratch) {
    scratch.encodings().average(average, group.averageWeight, at, (float[]) parameters, from, n);
  }

  /** Copies numbers of an operand from an array of the arithmetic type, rounding them. */
  void store(int operand, long at, Object source, int from, int n, ElementScratch scratch) {
    if (operand == operands.length) {
      memories[operand].store(at, source, from, n, scratch);
      return;
    }
    Operand its = operands[operand];
    switch (its.encoding()) {
      case PLAIN -> memories[operand].store(offsets[operand] + at, source, from, n, scratch);
      case MASTER ->
          scratch
              .encodings()
              .storeMasters(its.slice(), its.rest().get(), at, (float[]) source, from, n, scratch);
      case MASTER_24 ->
          scratch.encodings().storeMasters24(its, false, at, (float[]) source, from, n);
      case STOCHASTIC_MASTER_24 -> {
        scratch.encodings().counters(group, parameter, first, operand);
        scratch.encodings().storeMasters24(its, true, at, (float[]) source, from, n);
      }
      case STOCHASTIC -> {
        scratch.encodings().counters(group, parameter, first, operand);
        scratch.encodings().storeRandomly(its.slice(), at, (float[]) source, from, n);
      }
      case MOMENT_CODES, SQUARE_CODES ->
          scratch.encodings().storeCodes(its, false, length, at, (float[]) source, from, n);
      case STOCHASTIC_SQUARE_CODES -> {
        scratch.encodings().counters(group, parameter, first, operand);
        scratch.encodings().storeCodes(its, true, length, at, (float[]) source, from, n);
      }
    }
  }

  /** The matrix and what its rule does with it, for a rule that has a matrix phase. */
  MatrixBatch.Matrix matrix() {
    return new MatrixBatch.Matrix(group.rule.matrix().orElseThrow(), rows, length / rows);
  }

  boolean isBoundLike(Span span, GroupStep[] groups) {
    return span.length() == length
        && groups[span.group()] == group
        && (span.type() == ElementType.FLOAT64) == isDouble;
  }

  /** The first element from one on at which a group may begin that shares words. */
  long groupFrom(long at) {
    return isPacked ? Math.min(length, StateCodes.groups(at) * StateCodes.GROUP) : at;
  }

  /** The first element from one on at which a tile of a parameter begins, or the span's end. */
  long tileFrom(long at) {
    if (at >= length) {
      return length;
    }
    int entry = entryAt(at);
    long tiles = UpdateTiles.count(at - starts[entry]);
    return Math.min(starts[entry + 1], starts[entry] + tiles * UpdateTiles.TILE);
  }

  /** The parameter that an element is of, by its number within the span. */
  int entryAt(long at) {
    int found = Arrays.binarySearch(starts, at);
    return found < 0 ? -found - 2 : found;
  }

  /** The element at which a parameter begins; of the one behind the last, the span's length. */
  long entryStart(int entry) {
    return starts[entry];
  }

  /** The position of a parameter among all. */
  int entryIndex(int entry) {
    return indices[entry];
  }

  /** How many slots of state are stored as codes. */
  int codedSlots() {
    return coded.length;
  }

  /** The operand that one of them is. */
  int coded(int slot) {
    return coded[slot];
  }

  /** Whether its codes are those of squares. */
  boolean isSquares(int operand) {
    return operands[operand].encoding().isSquares();
  }

  /**
   * How many elements from one on lie in one array in every memory. Where groups share words, all
   * of them: everything is copied then, from one array or several.
   */
  long contiguousFrom(long at) {
    long n = length - at;
    if (isPacked) {
      return n;
    }
    for (int i = 0; i < memories.length; i++) {
      n = Math.min(n, memories[i].contiguousFrom(offsets[i] + at));
    }
    return n;
  }

  /** The index of all state if copies of the rest fit at the same index, otherwise -1. */
  int stateIndex(long at, int n) {
    int index = 0;
    if (isPacked) {
      return -1;
    }
    for (int i = 2; i < memories.length; i++) {
      int its = memories[i].indexAt(offsets[i] + at);
      if (memories[i].arrayAt(offsets[i] + at) == null || (i > 2 && its != index)) {
        return -1;
      }
      index = its;
    }
    return index + n <= Math.min(length, CpuStepProgram.COPY_BLOCK) ? index : -1;
  }

  /** Whether this step's gradients need more than the rule's loop does to them. */
  boolean preparesGradients() {
    return group.gradients.arePrepared(isDouble);
  }

  boolean isInPlaceThroughout() {
    return contiguousFrom(0) == length && isInPlace(0, length);
  }

  /** Whether a loop may work on some elements where they lie. */
  boolean isInPlace(long at, long n) {
    return isInPlace(at)
        && (factors == null || memories[0].indexAt(offsets[0] + at) + n <= inPlaceEnd());
  }

  /**
   * Index behind the last element that loops over arrays of a thread's own beside this span's reach
   * in place; 0 if everything is copied.
   */
  int inPlaceEnd() {
    return length > 0 && isInPlace(0) ? memories[0].inPlaceEnd() : 0;
  }

  /** The index of the inverse roots, which lie nowhere, among the memories: see FactoredMemory. */
  int inverses() {
    return operands.length;
  }

  boolean isInPlace(long at) {
    if (average != null || isPacked) {
      return false;
    }
    int index = memories[0].indexAt(offsets[0] + at);
    for (int i = 0; i < operands.length; i++) {
      if (memories[i].arrayAt(offsets[i] + at) == null
          || memories[i].indexAt(offsets[i] + at) != index) {
        return false;
      }
    }
    return true;
  }
}
