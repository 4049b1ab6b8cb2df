package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jocl.cl_mem;

/**
 * The tree of sums of squares or magnitudes of all gradients of one arithmetic type; where the step
 * is of a part of the model, its leaves alone.
 */
final class NormTree {
  private static final int LEAF = StepPlan.LEAF;

  /** Longs of a segment: see norm.cl. */
  private static final int SEGMENT_FIELDS = 8;

  private final OpenClContext context;
  private final ElementType arithmetic;
  private final int lanes;
  private final long[] firstLeaves; // of each gradient
  private final List<Leaves> sources = new ArrayList<>();
  private final List<Kernel> launches = new ArrayList<>();
  private final int leaves;
  private cl_mem rootSums;
  private cl_mem rootExponents;

  /** Gradients that one launch covers: those of one buffer and storage type. */
  private record Source(long buffer, ElementType type) {}

  /** Such a launch. */
  private record Leaves(Kernel kernel, Segments table, List<Integer> members) {}

  NormTree(
      OpenClContext context,
      Programs programs,
      ElementType arithmetic,
      StepPlan plan,
      ReleaseStack resources) {
    this.context = context;
    this.arithmetic = arithmetic;
    this.lanes = programs.shape().lanes(arithmetic);
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    Map<Source, List<Integer>> together = new LinkedHashMap<>();
    firstLeaves = new long[entries.size()];
    long count = 0;
    for (int i = 0; i < firstLeaves.length; i++) {
      together.computeIfAbsent(source(entries.get(i)), key -> new ArrayList<>()).add(i);
      firstLeaves[i] = count;
      count += tiles(entries.get(i));
    }
    leaves = Math.toIntExact(count);
    rootSums = resources.add(context.allocate(count * arithmetic.bytes()));
    rootExponents = resources.add(context.allocate(count * Integer.BYTES));
    together.forEach(
        (source, members) -> {
          Segments table = resources.add(new Segments(SEGMENT_FIELDS));
          for (int i : members) {
            table.add(tiles(entries.get(i)), fields(i, entries.get(i)));
          }
          table.upload(context);
          Kernel kernel = resources.add(programs.norm("ws_norm_leaves", source.type()));
          kernel.setInt(0, table.hasTileTable() ? 1 : 0);
          kernel.setBuffer(1, table.segmentBuffer());
          kernel.setBuffer(2, table.tileBuffer());
          kernel.setBuffer(3, memory(entries.get(members.get(0))).buffer());
          kernel.setBuffer(4, rootSums);
          kernel.setBuffer(5, rootExponents);
          kernel.setInt(6, SumKind.of(plan.options().norm()).code());
          sources.add(new Leaves(kernel, table, members));
          launches.add(kernel.workGroups(table.tiles()));
        });
    if (plan.options().leafExchange() == null) {
      addNodes(context, programs, arithmetic, plan, resources);
    }
  }

  private static OpenClMemory memory(StepPlan.Entry entry) {
    return (OpenClMemory) entry.gradients().memory();
  }

  private static Source source(StepPlan.Entry entry) {
    return new Source(memory(entry).buffer().getNativePointer(), memory(entry).type());
  }

  private static long tiles(StepPlan.Entry entry) {
    return (entry.length() + LEAF - 1) / LEAF;
  }

  /** What a gradient's segment has after the number of its first tile. */
  private long[] fields(int index, StepPlan.Entry entry) {
    long offset = memory(entry).firstElement() + entry.gradients().offset();
    boolean aligned = offset % lanes == 0 && memory(entry).isVectorAligned(lanes);
    return new long[] {entry.length(), firstLeaves[index], aligned ? 1 : 0, offset};
  }

  /** Whether the gradients that a launch covers are still in one buffer. */
  boolean canRebind(StepPlan plan) {
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    return sources.stream()
        .allMatch(
            launch ->
                launch.members.stream().map(i -> source(entries.get(i))).distinct().count() == 1);
  }

  /** Takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    List<StepPlan.Entry> entries = plan.normOrder(arithmetic);
    for (Leaves launch : sources) {
      launch.table.rewrite(
          context, launch.members.stream().map(i -> fields(i, entries.get(i))).toList());
      launch.kernel.setBuffer(3, memory(entries.get(launch.members.get(0))).buffer());
    }
  }

  private void addNodes(
      OpenClContext context,
      Programs programs,
      ElementType arithmetic,
      StepPlan plan,
      ReleaseStack resources) {
    for (int count = leaves; count > 1; ) {
      int nodes = (count + LEAF - 1) / LEAF;
      cl_mem sums = resources.add(context.allocate((long) nodes * arithmetic.bytes()));
      cl_mem exponents = resources.add(context.allocate((long) nodes * Integer.BYTES));
      Kernel kernel = resources.add(programs.norm("ws_norm_nodes", arithmetic));
      kernel.setLong(0, count);
      kernel.setBuffer(1, rootSums);
      kernel.setBuffer(2, rootExponents);
      kernel.setBuffer(3, sums);
      kernel.setBuffer(4, exponents);
      kernel.setInt(5, SumKind.of(plan.options().norm()).code());
      launches.add(kernel.workGroups(nodes));
      rootSums = sums;
      rootExponents = exponents;
      count = nodes;
    }
  }

  void launch() {
    for (int i = 0; i < launches.size(); i++) { // an iterator would allocate on every step
      launches.get(i).launch();
    }
  }

  int leaves() {
    return leaves;
  }

  /** The root's sum; the leaves' where there are no nodes. */
  cl_mem sums() {
    return rootSums;
  }

  /** The exponents of the same. */
  cl_mem exponents() {
    return rootExponents;
  }

  /** Passes the root to a kernel: the count of leaves, sum and exponent. */
  void setRoot(Kernel kernel, int index) {
    kernel.setInt(index, leaves);
    kernel.setBuffer(index + 1, rootSums);
    kernel.setBuffer(index + 2, rootExponents);
  }
}
