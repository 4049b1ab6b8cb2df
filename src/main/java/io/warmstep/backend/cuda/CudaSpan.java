package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.Encoding;
import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.NewtonSchulz;
import io.warmstep.rule.UpdateRule;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** A span as one row of the table that the update reads. */
final class CudaSpan {
  final int group;
  final ElementType type;
  private final long[] addresses; // values, gradients, then state
  private final int[] bytes; // of an element of each
  private final List<ElementType> types; // likewise
  private final long length;
  private final long height; // length of the first dimension, if the span is one tensor
  private final long[] kept; // of state that holds one value for the tensor

  /** Where the factors of squares lie, or null. */
  final StepPlan.Factors factors;

  private final boolean mayMove;
  private final StoredConstants stored;
  private final long rest; // what masters keep beside the values
  private final long average; // of the values, or 0
  private final int parameter; // the number that random numbers of the first follow from
  private final long first; // that of the first element within it
  private final long rows; // where its tiles' begin in a measured step, or 0

  /**
   * Takes over what a span says.
   *
   * @param rule of its group
   * @param measured where the rows of its tiles lie in a measured step, or null
   */
  CudaSpan(Span span, UpdateRule rule, MemorySlice measured) {
    this.group = span.group();
    this.type = span.type();
    this.length = span.length();
    this.height = span.rows();
    this.factors = span.factors().orElse(null);
    this.mayMove =
        span.operands().stream()
            .anyMatch(operand -> ((CudaMemory) operand.slice().memory()).isBorrowed());
    this.addresses =
        span.operands().stream().mapToLong(operand -> address(operand.slice())).toArray();
    this.kept = span.kept().stream().mapToLong(CudaSpan::address).toArray();
    this.bytes =
        span.operands().stream().mapToInt(operand -> operand.storage().type().bytes()).toArray();
    this.types = span.operands().stream().map(operand -> operand.slice().memory().type()).toList();
    this.rest = span.operands().get(0).rest().map(CudaSpan::address).orElse(0L);
    this.average = span.average().map(CudaSpan::address).orElse(0L);
    boolean isOfType =
        span.isUniform() && (measured == null ? hasEntry(rule, type) : measuresAlone(rule, type));
    StoredConstants constants = isOfType ? StoredConstants.OF_TYPE : constants(span);
    this.stored = measured == null ? constants : constants.measured();
    this.rows = measured == null ? 0 : measured.offset();
    this.parameter = span.entries().get(0).number();
    this.first = span.entries().get(0).first();
  }

  /**
   * Whether a rule has an entry for a type alone. Of half types only passes have, which are no
   * rules, and rules that take no other way to store operands.
   */
  private static boolean hasEntry(UpdateRule rule, ElementType type) {
    return type == type.arithmetic() || StepPlan.Group.isPass(rule) || rule.isOfOneType();
  }

  /** Whether that entry is also the one that measures its update: see step.cu. */
  private static boolean measuresAlone(UpdateRule rule, ElementType type) {
    return type == ElementType.FLOAT64 || rule.isOfOneType();
  }

  private static StoredConstants constants(Span span) {
    List<Integer> codes = new ArrayList<>();
    for (int i = 0; i < StepPlan.MAX_OPERANDS; i++) {
      codes.add(i < span.operands().size() ? Encoding.code(span.operands().get(i)) : 0);
    }
    return new StoredConstants(codes, span.average().isPresent());
  }

  /** Whether the row says how operands are stored. */
  boolean isMixed() {
    return stored.areMixed();
  }

  /** Whether the launch forms rows of its tiles. */
  boolean isMeasured() {
    return stored.isMeasured();
  }

  /** What the rows of a launch have in common. */
  StoredConstants constants() {
    return stored;
  }

  static long address(MemorySlice slice) {
    return ((CudaMemory) slice.memory()).addressOf(slice.offset());
  }

  /** Elements of a vector of an arithmetic type; parameters of half types have as many. */
  static int lanes(ElementType arithmetic) {
    return 16 / arithmetic.bytes();
  }

  /**
   * Elements before the first at which all memories are aligned for vectors; -1 if none is, and in
   * a measured step, which takes elements one by one.
   */
  int head() {
    if (isMeasured()) {
      return -1;
    }
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

  /** Where the memory may move, as many as there are with any alignment. */
  long tiles() {
    long afterHead =
        mayMove || isMixed() || isMeasured() ? length : Math.max(length - Math.max(head(), 0), 0);
    return Math.max((afterHead + Layout.TILE - 1) / Layout.TILE, 1);
  }

  /** Those of the tensor, for a rule that adds something up over it. */
  long leaves() {
    return (length - 1) / StepPlan.LEAF + 1;
  }

  /** Writes the row that only such a rule has; the group counts among those of the launch. */
  void writeSums(ByteBuffer table, long firstLeaf, int groupOfLaunch) {
    writeWhole(table, firstLeaf, leaves(), length, height, groupOfLaunch);
  }

  /** Whether it only stands for a group of which other workers have the elements. */
  boolean isEmpty() {
    return length == 0;
  }

  /**
   * Writes the row of a group whose first tensor this is.
   *
   * @param leaves of all of its tensors
   * @param count their elements
   */
  void writeGroup(ByteBuffer table, long firstLeaf, long leaves, long count, int groupOfLaunch) {
    writeWhole(table, firstLeaf, leaves, count, 0, groupOfLaunch);
  }

  private void writeWhole(
      ByteBuffer table, long firstLeaf, long leaves, long count, long rows, int groupOfLaunch) {
    for (int i = 0; i < StepPlan.MAX_KEPT; i++) {
      table.putLong(i < kept.length ? kept[i] : 0);
    }
    table.putLong(firstLeaf).putLong(leaves).putLong(count).putLong(rows);
    table.putInt(groupOfLaunch).putInt(0);
    table.putLong(factors == null ? 0 : address(factors.rows()));
    table.putLong(factors == null ? 0 : address(factors.columns()));
    table.putLong(0).putLong(0).putLong(0).putLong(0); // in the workspace, once that is allocated
    table.putLong(factors == null ? 0 : factors.height());
    table.putLong(factors == null ? 0 : factors.width());
  }

  /**
   * Writes the row by which the factor of the gradient is formed.
   *
   * @param limits where those of its clipping lie
   * @param leaves 0 if there is none
   */
  void writeFactor(ByteBuffer table, long[] limits, long firstLeaf, long leaves) {
    for (int i = 0; i < StepPlan.MAX_KEPT; i++) {
      table.putLong(i < limits.length ? limits[i] : 0);
    }
    table.putLong(firstLeaf).putLong(leaves).putLong(length).putLong(height);
    table.put(new byte[Layout.SUM_WHOLE_BYTES - Layout.WHOLE_GROUP]); // no group, no factors
  }

  /** Type of the memory that an operand lies in. */
  ElementType operandType(int operand) {
    return types.get(operand);
  }

  /** Where a slot of elements' state lies. */
  long stateAddress(int slot) {
    return addresses[2 + slot];
  }

  /** Writes the row of a leaf's tensor for what an operand is. */
  void writeLeaves(ByteBuffer table, int operand, long firstLeaf) {
    table.putLong(addresses[operand]).putLong(length).putLong(firstLeaf);
  }

  MatrixBatch.Matrix matrix(NewtonSchulz phase) {
    return new MatrixBatch.Matrix(phase, height, length / height);
  }

  /** Whether another span, of memory elsewhere, can have this one's row and tiles. */
  boolean isLike(CudaSpan other) {
    return length == other.length
        && group == other.group
        && tiles() == other.tiles()
        && stored.equals(other.stored);
  }

  /** Writes the row; the group counts among those of the launch. */
  void write(ByteBuffer table, int groupOfLaunch) {
    int row = table.position();
    for (int i = 0; i < StepPlan.MAX_OPERANDS; i++) {
      table.putLong(row + 8 * i, i < addresses.length ? addresses[i] : 0);
    }
    if (isMixed()) {
      table.putLong(row + Layout.MIXED_TENSOR_REST, rest);
      table.putLong(row + Layout.MIXED_TENSOR_AVERAGE, average);
      table.putLong(row + Layout.MIXED_TENSOR_LENGTH, length);
      table.putLong(row + Layout.MIXED_TENSOR_FIRST_TILE, first / Layout.TILE);
      table.putLong(row + Layout.MIXED_TENSOR_ROWS, rows);
      table.putInt(row + Layout.MIXED_TENSOR_GROUP, groupOfLaunch);
      table.putInt(row + Layout.MIXED_TENSOR_PARAMETER, parameter);
      for (int i = 0; i < StepPlan.MAX_OPERANDS; i++) {
        table.put(row + Layout.MIXED_TENSOR_STORED + i, stored.stored().get(i).byteValue());
      }
      table.position(row + Layout.MIXED_TENSOR_BYTES);
      return;
    }
    table.putLong(row + Layout.TENSOR_LENGTH, length);
    table.putInt(row + Layout.TENSOR_GROUP, groupOfLaunch);
    table.putInt(row + Layout.TENSOR_HEAD, head());
    table.putLong(row + Layout.TENSOR_ROWS, rows);
    table.position(row + Layout.TENSOR_BYTES);
  }
}
