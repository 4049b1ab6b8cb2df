package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cpu.HostedSums;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * What is added up over all tensors of a group, for groups that are updated together: room for the
 * leaves of all, whatever launches they are of, and for each group a launch that forms its numbers.
 */
final class OpenClGroupSums {
  private final IdentityHashMap<OpenClSpan, Long> firstLeaves = new IdentityHashMap<>();
  private final List<Kernel> kernels = new ArrayList<>();
  private final GroupNumbers groups;
  private final OpenClContext context;

  /** By group, of those whose sums are added up with other workers. */
  private final Map<Integer, Shared> shared = new HashMap<>();

  private final OpenClNorm norm; // or null
  private final long leaves;
  private final cl_mem leafSums;
  private final cl_mem exponents;
  private final cl_mem numbers;

  /** Such a group's sums, and the place of its first leaf among all. */
  private record Shared(HostedSums sums, long first) {}

  /**
   * Prepares groups.
   *
   * @param together their indices in the plan, in the order of their numbers
   * @param spans all tensors of these, in the order of the plan and of one type
   * @param options of the groups' rules, in their order
   */
  OpenClGroupSums(
      OpenClContext context,
      Programs programs,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<Integer> together,
      List<OpenClSpan> spans,
      List<Integer> options,
      GroupNumbers groups,
      OpenClNorm norm,
      ReleaseStack resources) {
    this.context = context;
    this.groups = groups;
    this.norm = norm;
    ElementType type = spans.get(0).type;
    int bytes = type.arithmetic().bytes();
    leaves = spans.stream().mapToLong(OpenClSpan::leaves).sum();
    long count = leaves * rule.sums().orElseThrow().kinds().size();
    leafSums = resources.add(context.allocate(count * bytes));
    exponents = resources.add(context.allocate(count * Integer.BYTES));
    numbers = resources.add(context.allocate((long) together.size() * rule.numbers() * bytes));
    long first = 0;
    for (int i = 0; i < together.size(); i++) {
      int group = together.get(i);
      List<OpenClSpan> members = spans.stream().filter(span -> span.group == group).toList();
      long next = first;
      for (OpenClSpan span : members) {
        firstLeaves.put(span, next);
        next += span.leaves();
      }
      if (next > first) {
        OpenClSpan span = members.get(0);
        boolean isShared = plan.sharedGroups().contains(group);
        if (isShared) {
          int own = span.length == 0 ? 0 : Math.toIntExact(next - first);
          HostedSums hosted =
              new HostedSums(
                  plan.options().leafExchange(),
                  rule.sums().orElseThrow(),
                  type == ElementType.FLOAT64,
                  own);
          shared.put(group, new Shared(hosted, first));
        }
        long elements = plan.groups().get(group).elements();
        long tag = i | (long) options.get(i) << 32;
        long joined = isShared ? 1 : next - first;
        long[] fields = OpenClSums.fields(span, elements, tag, new long[0], 0, first, joined);
        kernels.add(kernel(context, programs, rule, span, fields, resources));
      }
      first = next;
    }
  }

  private Kernel kernel(
      OpenClContext context,
      Programs programs,
      StepPlan.SameRule rule,
      OpenClSpan span,
      long[] fields,
      ReleaseStack resources) {
    int operands = span.buffers.length;
    int kept = span.kept.length;
    Segments segments =
        resources.add(new Segments(Programs.sumSegmentFields(operands, kept, false)));
    segments.add(1, fields);
    segments.upload(context);
    Kernel kernel =
        resources.add(
            programs.sums(rule, "ws_numbers", span.type, operands, List.of(), kept, false));
    kernel.setBuffer(1, segments.segmentBuffer());
    kernel.setLong(2, leaves);
    kernel.setBuffer(3, leafSums);
    kernel.setBuffer(4, exponents);
    kernel.setBuffer(5, numbers);
    OpenClNorm.setControl(kernel, 6, norm, span.type == ElementType.FLOAT64, numbers);
    for (int i = 0; i < kept; i++) {
      kernel.setBuffer(8 + i, span.kept[i]);
    }
    kernel.workGroups(1);
    return kernel;
  }

  /** Place of a tensor's first leaf among all. */
  long firstLeaf(OpenClSpan span) {
    return firstLeaves.get(span);
  }

  long leaves() {
    return leaves;
  }

  cl_mem leafSums() {
    return leafSums;
  }

  cl_mem exponents() {
    return exponents;
  }

  /** Of each group, for the update. */
  cl_mem numbers() {
    return numbers;
  }

  /** After the leaves of all tensors: exchanges those of a group, if they are among these. */
  void exchange(int group) {
    Shared its = shared.get(group);
    if (its == null) {
      return;
    }
    HostedSums hosted = its.sums;
    int count = hosted.leaves();
    int bytes = hosted.realBytes();
    for (int k = 0; k < hosted.kinds() && count > 0; k++) {
      long place = k * leaves + its.first;
      context.read(leafSums, place * bytes, (long) count * bytes, pointer(hosted.sums(k, count)));
      context.read(
          exponents,
          place * Integer.BYTES,
          (long) count * Integer.BYTES,
          pointer(hosted.exponents(k, count)));
    }
    hosted.join();
    for (int k = 0; k < hosted.kinds(); k++) {
      long place = k * leaves + its.first;
      context.write(leafSums, place * bytes, bytes, pointer(hosted.sums(k, 1)));
      context.write(
          exponents, place * Integer.BYTES, Integer.BYTES, pointer(hosted.exponents(k, 1)));
    }
  }

  private static Pointer pointer(ByteBuffer buffer) {
    return Pointer.to((Buffer) buffer);
  }

  /** After the leaves of all tensors, before their updates. Allocates nothing. */
  void launch() {
    for (int i = 0; i < kernels.size(); i++) { // an iterator would allocate on every step
      groups.set(kernels.get(i), 0);
      kernels.get(i).launch();
    }
  }
}
