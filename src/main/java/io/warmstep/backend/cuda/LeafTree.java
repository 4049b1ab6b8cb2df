package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/** The tree of the norm over the gradients of one arithmetic type: its leaves and nodes. */
final class LeafTree {
  /** Those of as many nodes as one more node adds. */
  private static final int MAX_LEAVES = StepPlan.LEAF * StepPlan.LEAF;

  private final CudaContext context;
  private final ElementType arithmetic;
  private final long[] firstLeaves; // of each gradient
  private final List<Leaves> launches = new ArrayList<>();
  private final Level leaves;
  private final Level nodes;

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
    if (count > MAX_LEAVES) {
      throw new IllegalArgumentException(
          "gradients of one arithmetic type have "
              + count
              + " pieces of up to "
              + StepPlan.LEAF
              + " elements, must be at most "
              + MAX_LEAVES
              + " for their norm: use fewer parameters in one optimizer");
    }
    leaves = new Level(arena, (int) count, arithmetic.bytes());
    nodes =
        new Level(arena, (leaves.count + StepPlan.LEAF - 1) / StepPlan.LEAF, arithmetic.bytes());
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
    launches.add(
        new Leaves(
            kernels.get("leaves_" + type), new TileTable(arena, counts), tensors, type, rows));
  }

  private void writeRows(ByteBuffer table, ElementType type, List<StepPlan.Entry> entries) {
    for (int i = 0; i < firstLeaves.length; i++) {
      StepPlan.Entry entry = entries.get(i);
      if (typeOf(entry) == type) {
        table
            .putLong(CudaSpan.address(entry.gradients()))
            .putLong(entry.length())
            .putLong(firstLeaves[i]);
      }
    }
  }

  /** With the context current: takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    for (Leaves launch : launches) {
      writeRows(launch.rows.begin(), launch.type, entries);
      launch.rows.upload(context);
    }
  }

  /** Writes the arguments; the arena is allocated by now. */
  void setFixed(int kind) {
    for (Leaves launch : launches) {
      launch.arguments.putLong(launch.tiles.address()).putLong(launch.tensors.address());
      launch.arguments.putLong(leaves.sums.address()).putLong(leaves.exponents.address());
      launch.arguments.putInt(Layout.LEAF_KIND, kind);
    }
  }

  /** Writes the struct that the last kernel finds the tree by. */
  void write(ByteBuffer arguments) {
    arguments.putLong(leaves.sums.address()).putLong(leaves.exponents.address());
    arguments.putLong(nodes.sums.address()).putLong(nodes.exponents.address());
    arguments.putInt(leaves.count).putInt(0);
  }

  /** How many leaves there are. */
  int leaves() {
    return leaves.count;
  }

  /** Where their sums lie. */
  long sums() {
    return leaves.sums.address();
  }

  /** Where their exponents lie. */
  long exponents() {
    return leaves.exponents.address();
  }

  /** How many nodes have leaves. */
  int nodes() {
    return nodes.count;
  }

  /** With the context current. Allocates nothing. */
  void launch() {
    for (int i = 0; i < launches.size(); i++) { // an iterator would allocate on every step
      Leaves launch = launches.get(i);
      context.launch(launch.function, launch.tiles.blocks(), launch.pointer);
    }
  }
}
