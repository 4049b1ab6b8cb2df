package io.warmstep.backend.cuda;

import io.warmstep.backend.StepPlan;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The tree of the norm over the gradients of one arithmetic type, up to the at most 4096 sums that
 * the last kernel adds.
 */
final class LeafTree {
  private final CudaContext context;
  private final TileTable leaves;
  private final CUfunction leafFunction;
  private final CUfunction nodeFunction;
  private final Arena.Part tensors;
  private final List<Level> levels = new ArrayList<>(); // the leaves first
  private final ByteBuffer leafArguments = Cuda.direct(Layout.LEAF_ARGUMENTS_BYTES);
  private final Pointer leafPointer = Pointer.to(Pointer.to(leafArguments));

  /** Sums of one height. */
  private static final class Level {
    final int count;
    final Arena.Part sums;
    final Arena.Part exponents;
    final ByteBuffer arguments = Cuda.direct(Layout.NODE_ARGUMENTS_BYTES);
    final Pointer pointer = Pointer.to(Pointer.to(arguments));

    Level(Arena arena, int count, int realBytes) {
      this.count = count;
      this.sums = arena.reserve((long) count * realBytes);
      this.exponents = arena.reserve((long) count * Integer.BYTES);
    }
  }

  LeafTree(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      boolean isDouble,
      List<StepPlan.Entry> entries) {
    this.context = context;
    Layout.Step layout = Layout.Step.of(isDouble);
    this.leafFunction = kernels.get("norm", "leaves" + layout.suffix());
    this.nodeFunction = kernels.get("norm", "nodes" + layout.suffix());
    this.leaves =
        new TileTable(
            arena,
            entries.stream().mapToLong(e -> (e.length() + Layout.LEAF - 1) / Layout.LEAF).toArray());
    this.tensors = arena.table((long) entries.size() * Layout.LEAF_TENSOR_BYTES);
    for (StepPlan.Entry entry : entries) {
      tensors.content().putLong(TensorRun.address(entry.gradients())).putLong(entry.length());
    }
    levels.add(new Level(arena, leaves.blocks(), layout.realBytes()));
    for (int count = leaves.blocks(); count > Layout.LEAF; ) {
      count = (count + Layout.LEAF - 1) / Layout.LEAF;
      levels.add(new Level(arena, count, layout.realBytes()));
    }
  }

  /** Writes the arguments; the arena is allocated by now. */
  void setFixed() {
    leafArguments.putLong(leaves.address()).putLong(tensors.address());
    leafArguments.putLong(levels.get(0).sums.address()).putLong(levels.get(0).exponents.address());
    for (int i = 1; i < levels.size(); i++) {
      Level below = levels.get(i - 1);
      Level level = levels.get(i);
      level.arguments.putLong(below.sums.address()).putLong(below.exponents.address());
      level.arguments.putLong(level.sums.address()).putLong(level.exponents.address());
      level.arguments.putLong(below.count);
    }
  }

  private Level top() {
    return levels.get(levels.size() - 1);
  }

  /** How many sums are left to add. */
  int count() {
    return top().count;
  }

  long sums() {
    return top().sums.address();
  }

  long exponents() {
    return top().exponents.address();
  }

  /** With the context current. Allocates nothing. */
  void launch() {
    if (leaves.blocks() > 0) {
      context.launch(leafFunction, leaves.blocks(), leafPointer);
    }
    for (int i = 1; i < levels.size(); i++) {
      Level level = levels.get(i);
      context.launch(nodeFunction, level.count, level.pointer);
    }
  }
}
