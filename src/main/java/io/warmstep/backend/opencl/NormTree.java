package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jocl.cl_mem;

/** The tree of sums of squares of all gradients of one arithmetic type. */
final class NormTree {
  private static final int LEAF = StepPlan.LEAF;

  /** Longs of a segment: see norm.cl. */
  private static final int SEGMENT_FIELDS = 8;

  private final List<Kernel> launches = new ArrayList<>();
  private final int leaves;
  private cl_mem rootSums;
  private cl_mem rootExponents;

  /** Gradients that one launch covers: those of one buffer and storage type. */
  private record Source(long buffer, ElementType type) {}

  NormTree(
      OpenClContext context,
      Programs programs,
      ElementType arithmetic,
      StepPlan plan,
      Resources resources) {
    Map<Source, Segments> segments = new LinkedHashMap<>();
    Map<Source, OpenClMemory> memories = new LinkedHashMap<>();
    int lanes = programs.shape().lanes(arithmetic);
    long count = 0;
    for (StepPlan.Entry entry : plan.normOrder(arithmetic)) {
      OpenClMemory memory = (OpenClMemory) entry.gradients().memory();
      Source source = new Source(memory.buffer().getNativePointer(), memory.type());
      long offset = memory.firstElement() + entry.gradients().offset();
      long own = (entry.length() + LEAF - 1) / LEAF;
      boolean aligned = offset % lanes == 0 && memory.isVectorAligned(lanes);
      memories.put(source, memory);
      segments
          .computeIfAbsent(source, key -> resources.add(new Segments(SEGMENT_FIELDS)))
          .add(own, entry.length(), count, aligned ? 1 : 0, offset);
      count += own;
    }
    leaves = Math.toIntExact(count);
    rootSums = resources.add(context.allocate(count * arithmetic.bytes()));
    rootExponents = resources.add(context.allocate(count * Integer.BYTES));
    for (Map.Entry<Source, Segments> source : segments.entrySet()) {
      Segments table = source.getValue();
      table.upload(context);
      Kernel kernel = resources.add(programs.norm("ws_norm_leaves", source.getKey().type()));
      kernel.setInt(0, table.hasTileTable() ? 1 : 0);
      kernel.setBuffer(1, table.segmentBuffer());
      kernel.setBuffer(2, table.tileBuffer());
      kernel.setBuffer(3, memories.get(source.getKey()).buffer());
      kernel.setBuffer(4, rootSums);
      kernel.setBuffer(5, rootExponents);
      launches.add(kernel.workGroups(table.tiles()));
    }
    addNodes(context, programs, arithmetic, resources);
  }

  private void addNodes(
      OpenClContext context, Programs programs, ElementType arithmetic, Resources resources) {
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

  /** Passes the root to a kernel: the count of leaves, sum and exponent. */
  void setRoot(Kernel kernel, int index) {
    kernel.setInt(index, leaves);
    kernel.setBuffer(index + 1, rootSums);
    kernel.setBuffer(index + 2, rootExponents);
  }
}
