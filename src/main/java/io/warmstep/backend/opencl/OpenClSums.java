package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jocl.cl_mem;

/**
 * The launches that come before one launch of the update, for a rule with sums: of a work-group for
 * each leaf and, unless the sums are over groups, of one for each tensor. See sums.cl.
 */
final class OpenClSums {
  private final Kernel sums;
  private final Kernel numbers; // or null
  private final Segments segments;
  private final GroupNumbers groups;
  private final boolean isDouble;
  private final int lanes;
  private final long[] firstLeaves; // of each tensor among all
  private final cl_mem tensorNumbers;
  private final OpenClMatrices matrices; // or null
  private final OpenClFactors factors; // or null

  /**
   * Prepares what comes before the update of some tensors in one set of buffers.
   *
   * @param members the tensors
   * @param tags of the update's segments, but for the alignment
   * @param whole what the sums are over, or null for each tensor
   * @param space the workspace of matrices
   */
  OpenClSums(
      OpenClContext context,
      Programs programs,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<OpenClSpan> members,
      List<Long> tags,
      GroupNumbers groups,
      OpenClNorm norm,
      OpenClGroupSums whole,
      MatrixSpace space,
      ReleaseStack resources) {
    ElementType type = members.get(0).type;
    int operands = members.get(0).buffers.length;
    int kept = members.get(0).kept.length;
    List<String> encodings = members.get(0).encodings;
    this.groups = groups;
    this.isDouble = type == ElementType.FLOAT64;
    this.lanes = programs.shape().lanes(type);
    boolean isFactored = members.get(0).factors != null;
    factors =
        isFactored
            ? new OpenClFactors(
                context, programs, plan, rule, members, tags, groups, norm, resources)
            : null;
    segments =
        resources.add(
            new Segments(
                Programs.sumSegmentFields(operands, kept, members.get(0).isMixed())
                    + (isFactored ? Programs.FACTORED_FIELDS : 0)));
    firstLeaves = new long[members.size()];
    for (int i = 0; i < members.size(); i++) {
      OpenClSpan span = members.get(i);
      firstLeaves[i] = whole == null ? segments.tiles() : whole.firstLeaf(span);
      segments.add(span.leaves(), fields(i, span, tags.get(i)));
    }
    segments.upload(context);
    long leaves = whole == null ? segments.tiles() : whole.leaves();
    long count = leaves * rule.sums().orElseThrow().kinds().size();
    int bytes = type.arithmetic().bytes();
    cl_mem leafSums;
    cl_mem exponents;
    if (whole == null) {
      leafSums = resources.add(context.allocate(count * bytes));
      exponents = resources.add(context.allocate(count * Integer.BYTES));
      tensorNumbers =
          resources.add(context.allocate((long) members.size() * rule.numbers() * bytes));
    } else {
      leafSums = whole.leafSums();
      exponents = whole.exponents();
      tensorNumbers = whole.numbers();
    }
    StepOptions options = plan.options();
    sums =
        resources.add(programs.sums(rule, "ws_sums", type, operands, encodings, kept, isFactored));
    sums.setReal(3, options.clipValue() > 0 ? options.clipValue() : -1, isDouble);
    sums.setInt(4, OpenClNorm.flags(norm));
    sums.setInt(5, segments.hasTileTable() ? 1 : 0);
    sums.setBuffer(6, norm == null ? segments.segmentBuffer() : norm.control(isDouble));
    sums.setBuffer(7, segments.segmentBuffer());
    sums.setBuffer(8, segments.tileBuffer());
    sums.setLong(9, leaves);
    sums.setBuffer(10, leafSums);
    sums.setBuffer(11, exponents);
    if (members.get(0).isMixed()) {
      sums.setInt(13 + operands, (int) options.seed());
      sums.setInt(14 + operands, (int) (options.seed() >>> 32));
    }
    sums.workGroups(segments.tiles());
    numbers =
        whole == null
            ? resources.add(
                programs.sums(rule, "ws_numbers", type, operands, encodings, kept, isFactored))
            : null;
    if (numbers != null) {
      numbers.setBuffer(1, segments.segmentBuffer());
      numbers.setLong(2, leaves);
      numbers.setBuffer(3, leafSums);
      numbers.setBuffer(4, exponents);
      numbers.setBuffer(5, tensorNumbers);
      OpenClNorm.setControl(numbers, 6, norm, isDouble, tensorNumbers);
      numbers.workGroups(members.size());
    }
    setBuffers(members.get(0));
    boolean hasMatrices = plan.groups().get(members.get(0).group).rule().matrix().isPresent();
    matrices =
        hasMatrices
            ? new OpenClMatrices(
                context, programs, plan, rule, members, tensorNumbers, space, resources)
            : null;
  }

  /** What a segment has after the number of its first tile. */
  private long[] fields(int member, OpenClSpan span, long tag) {
    long aligned = span.isAlignedAtStart(lanes) ? 1L : 0L;
    long firstLeaf = firstLeaves[member];
    return fields(
        span,
        span.length,
        tag | aligned << 48,
        factors != null
            ? factors.fields(member, span)
            : span.isMixed() ? new long[] {span.restOffset, span.parameter} : new long[0],
        span.rows,
        firstLeaf,
        span.leaves());
  }

  /**
   * The fields of a tensor, or of a group whose first tensor the span is.
   *
   * @param between what follows the offsets: of factors, or of operands that are stored in several
   *     ways
   */
  static long[] fields(
      OpenClSpan span,
      long count,
      long tag,
      long[] between,
      long rows,
      long firstLeaf,
      long leaves) {
    long[] first = {count, tag};
    long[] last = {rows, firstLeaf, leaves};
    return Stream.of(first, span.offsets, between, last, span.keptOffsets)
        .flatMapToLong(LongStream::of)
        .toArray();
  }

  private void setBuffers(OpenClSpan span) {
    for (int i = 0; i < span.buffers.length; i++) {
      sums.setBuffer(12 + i, span.buffers[i]);
    }
    for (int i = 0; i < span.kept.length; i++) {
      if (numbers != null) {
        numbers.setBuffer(8 + i, span.kept[i]);
      } else {
        sums.setBuffer(12 + span.buffers.length + i, span.kept[i]);
      }
    }
    if (factors != null) {
      factors.setBuffers(sums, 12 + span.buffers.length);
    }
    if (span.isMixed()) {
      sums.setBuffer(12 + span.buffers.length, span.rest);
    }
  }

  /** Takes tensors of memory elsewhere. */
  void rebind(OpenClContext context, List<OpenClSpan> members, List<Long> tags) {
    List<long[]> fields = new ArrayList<>();
    for (int i = 0; i < members.size(); i++) {
      fields.add(fields(i, members.get(i), tags.get(i)));
    }
    if (factors != null) {
      factors.rebind(context, members, tags);
    }
    segments.rewrite(context, fields);
    setBuffers(members.get(0));
  }

  /** What moves the factors of the tensors, or null. */
  OpenClFactors factors() {
    return factors;
  }

  /** Of each tensor or group, for the update. */
  cl_mem numbers() {
    return tensorNumbers;
  }

  /** The launches of one step. Allocates nothing. */
  void launch(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    if (factors != null) {
      factors.launch(inputs);
    }
    groups.set(sums, 0);
    sums.setReal(1, isDouble ? scale.scale() : scale.floatScale(), isDouble);
    sums.setReal(2, isDouble ? 1 : scale.floatPrescale(), isDouble);
    sums.launch();
    if (numbers != null) {
      groups.set(numbers, 0);
      numbers.launch();
    }
    if (matrices != null) {
      matrices.launch();
    }
  }
}
