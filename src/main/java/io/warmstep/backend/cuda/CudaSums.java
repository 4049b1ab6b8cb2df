package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import java.nio.ByteBuffer;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that come before the update of a rule with sums over each tensor: one of a block per
 * leaf and one of a block per tensor. They have the update's arguments, in front of which lies what
 * is theirs.
 */
final class CudaSums {
  private final CudaContext context;
  private final CUfunction sums;
  private final CUfunction numbers;
  private final TileTable leaves;
  private final Arena.Part tensors;
  private final Arena.Part leafSums;
  private final Arena.Part exponents;
  private final Arena.Part tensorNumbers;
  private final int tensorCount;

  CudaSums(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      StepPlan.SameRule rule,
      List<TensorRun> runs) {
    ElementType type = runs.get(0).type;
    this.context = context;
    this.sums = kernels.get("sums_" + rule.sumsKernel() + "_" + type);
    this.numbers = kernels.get("numbers_" + rule.sumsKernel() + "_" + type.arithmetic());
    this.leaves = new TileTable(arena, runs.stream().mapToLong(TensorRun::leaves).toArray());
    this.tensorCount = runs.size();
    this.tensors = arena.table((long) tensorCount * Layout.SUM_TENSOR_BYTES);
    long count = (long) leaves.blocks() * rule.sums().orElseThrow().kinds().size();
    int realBytes = type.arithmetic().bytes();
    this.leafSums = arena.reserve(count * realBytes);
    this.exponents = arena.reserve(count * Integer.BYTES);
    this.tensorNumbers = arena.reserve((long) tensorCount * StepPlan.MAX_NUMBERS * realBytes);
    long firstLeaf = 0;
    for (TensorRun run : runs) {
      run.writeSums(tensors.content(), firstLeaf);
      firstLeaf += run.leaves();
    }
  }

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(ByteBuffer arguments) {
    arguments.putLong(Layout.SUM_LEAVES, leaves.address());
    arguments.putLong(Layout.SUM_TENSORS, tensors.address());
    arguments.putLong(Layout.SUM_SUMS, leafSums.address());
    arguments.putLong(Layout.SUM_EXPONENTS, exponents.address());
    arguments.putLong(Layout.SUM_NUMBERS, tensorNumbers.address());
    arguments.putInt(Layout.SUM_LEAF_COUNT, leaves.blocks());
  }

  /** With the context current: the launches of one step. Allocates nothing. */
  void launch(Pointer arguments) {
    context.launch(sums, leaves.blocks(), arguments);
    context.launch(numbers, tensorCount, arguments);
  }
}
