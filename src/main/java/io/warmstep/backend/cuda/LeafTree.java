package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
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
  private final CUfunction nodeFunction;
  private final ElementType arithmetic;
  private final long[] firstLeaves; // of each gradient
  private final List<Leaves> leaves = new ArrayList<>();
  private final List<Level> levels = new ArrayList<>(); // of the leaves first

  /** The leaves of gradients of one element type: one launch. */
  private static final class Leaves {
    final CUfunction function;
    final TileTable tiles;
    final Arena.Part tensors;
    final ElementType type;
    final DeviceRows rows; // what is in tensors
    final ByteBuffer arguments = Cuda.direct(Layout.LEAF_ARGUMENTS_BYTES);
    final Pointer pointer = Pointer.to(Pointer.to(arguments));

    Leaves(
        CUfunction function,
        TileTable tiles,
        Arena.Part tensors,
        ElementType type,
        DeviceRows rows) {
      this.function = function;
      this.tiles = tiles;
      this.tensors = tensors;
      this.type = type;
      this.rows = rows;
    }
  }

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

  /** A tree over the gradients of one arithmetic type. */
  LeafTree(
      CudaContext context, Kernels kernels, Arena arena, ElementType arithmetic, StepPlan plan) {
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    this.context = context;
    this.nodeFunction = entries.isEmpty() ? null : kernels.get("nodes_" + arithmetic);
    this.arithmetic = arithmetic;
    this.firstLeaves = new long[entries.size()];
    long count = 0;
    for (int i = 0; i < firstLeaves.length; i++) {
      firstLeaves[i] = count;
      count += leafCount(entries.get(i));
    }
    for (ElementType type : ElementType.values()) {
      addLeaves(kernels, arena, type, entries);
    }
    levels.add(new Level(arena, Math.toIntExact(count), arithmetic.bytes()));
    while (top().count > StepPlan.LEAF) {
      int nodes = (top().count - 1) / StepPlan.LEAF + 1;
      levels.add(new Level(arena, nodes, arithmetic.bytes()));
    }
  }

  private static long leafCount(StepPlan.Entry entry) {
    return (entry.length() - 1) / StepPlan.LEAF + 1;
  }

  private static ElementType typeOf(StepPlan.Entry entry) {
    return entry.gradients().memory().type();
  }

  private void addLeaves(
      Kernels kernels, Arena arena, ElementType type, List<StepPlan.Entry> entries) {
    long[] counts =
        entries.stream()
            .filter(entry -> typeOf(entry) == type)
            .mapToLong(LeafTree::leafCount)
            .toArray();
    if (counts.length == 0) {
      return;
    }
    Arena.Part tensors = arena.table((long) counts.length * Layout.LEAF_TENSOR_BYTES);
    DeviceRows rows = new DeviceRows(tensors);
    writeRows(rows.begin(), type, entries);
    rows.keep();
    leaves.add(
        new Leaves(
            kernels.get("leaves_" + type), new TileTable(arena, counts), tensors, type, rows));
  }

  private void writeRows(ByteBuffer table, ElementType type, List<StepPlan.Entry> entries) {
    for (int i = 0; i < firstLeaves.length; i++) {
      StepPlan.Entry entry = entries.get(i);
      if (typeOf(entry) == type) {
        table
            .putLong(TensorRun.address(entry.gradients()))
            .putLong(entry.length())
            .putLong(firstLeaves[i]);
      }
    }
  }

  /** With the context current: takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    for (Leaves launch : leaves) {
      writeRows(launch.rows.begin(), launch.type, entries);
      launch.rows.upload(context);
    }
  }

  /** Writes the arguments; the arena is allocated by now. */
  void setFixed() {
    for (Leaves launch : leaves) {
      launch.arguments.putLong(launch.tiles.address()).putLong(launch.tensors.address());
      launch.arguments.putLong(levels.get(0).sums.address());
      launch.arguments.putLong(levels.get(0).exponents.address());
    }
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
    for (int i = 0; i < leaves.size(); i++) { // iterators would be objects a step
      Leaves launch = leaves.get(i);
      context.launch(launch.function, launch.tiles.blocks(), launch.pointer);
    }
    for (int i = 1; i < levels.size(); i++) {
      Level level = levels.get(i);
      context.launch(nodeFunction, level.count, level.pointer);
    }
  }
}
