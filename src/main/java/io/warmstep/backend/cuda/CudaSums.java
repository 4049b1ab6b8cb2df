package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.rule.NewtonSchulz;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that come before the update of a rule with sums over each tensor: one of a block per
 * leaf and one of a block per tensor. They have the update's arguments, in front of which lies what
 * is theirs. Under a rule with a matrix phase the first is two, one that is like an update and one
 * that adds up what that leaves in a slot, and the phase comes last.
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
  private final CudaMatrices matrices; // or null
  private final Arena.Part leafTensors; // of the slot that goes through the matrix phase
  private final ByteBuffer leafArguments = Cuda.direct(Layout.LEAF_ARGUMENTS_BYTES);
  private final Pointer leafPointer = Pointer.to(Pointer.to(leafArguments));
  private final CUfunction first;
  private final int tiles;

  CudaSums(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<TensorRun> runs,
      int tiles) {
    ElementType type = runs.get(0).type;
    Optional<NewtonSchulz> phase = plan.groups().get(runs.get(0).group).rule().matrix();
    this.context = context;
    this.tiles = tiles;
    this.first = phase.isEmpty() ? null : kernels.get("first_" + rule.kernel() + "_" + type);
    this.sums =
        kernels.get(
            phase.isEmpty()
                ? "sums_" + rule.sumsKernel() + "_" + type
                : "leaves_" + type.arithmetic());
    this.numbers = kernels.get("numbers_" + rule.sumsKernel() + "_" + type.arithmetic());
    this.leaves = new TileTable(arena, runs.stream().mapToLong(TensorRun::leaves).toArray());
    this.tensorCount = runs.size();
    this.tensors = arena.table((long) tensorCount * Layout.SUM_TENSOR_BYTES);
    long count = (long) leaves.blocks() * rule.sums().orElseThrow().kinds().size();
    int realBytes = type.arithmetic().bytes();
    this.leafSums = arena.reserve(count * realBytes);
    this.exponents = arena.reserve(count * Integer.BYTES);
    this.tensorNumbers = arena.reserve((long) tensorCount * StepPlan.MAX_NUMBERS * realBytes);
    this.matrices = phase.isEmpty() ? null : new CudaMatrices(context, kernels, arena, plan, runs);
    this.leafTensors =
        arena.table(phase.isEmpty() ? 0 : (long) tensorCount * Layout.LEAF_TENSOR_BYTES);
    long firstLeaf = 0;
    for (TensorRun run : runs) {
      run.writeSums(tensors.content(), firstLeaf);
      if (phase.isPresent()) {
        run.writeLeaves(leafTensors.content(), phase.get().slot(), firstLeaf);
      }
      firstLeaf += run.leaves();
    }
  }

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(ByteBuffer arguments, long normResult) {
    if (matrices != null) {
      matrices.setFixed(normResult, tensorNumbers.address());
      leafArguments.putLong(leaves.address()).putLong(leafTensors.address());
      leafArguments.putLong(leafSums.address()).putLong(exponents.address());
      leafArguments.putInt(Layout.LEAF_KIND, SumKind.SQUARES.code());
    }
    arguments.putLong(Layout.SUM_LEAVES, leaves.address());
    arguments.putLong(Layout.SUM_TENSORS, tensors.address());
    arguments.putLong(Layout.SUM_SUMS, leafSums.address());
    arguments.putLong(Layout.SUM_EXPONENTS, exponents.address());
    arguments.putLong(Layout.SUM_NUMBERS, tensorNumbers.address());
    arguments.putInt(Layout.SUM_LEAF_COUNT, leaves.blocks());
  }

  /** With the context current: the launches of one step. Allocates nothing. */
  void launch(Pointer arguments) {
    if (matrices == null) {
      context.launch(sums, leaves.blocks(), arguments);
    } else {
      context.launch(first, tiles, arguments);
      context.launch(sums, leaves.blocks(), leafPointer);
    }
    context.launch(numbers, tensorCount, arguments);
    if (matrices != null) {
      matrices.launch();
    }
  }
}
