package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.AdaptiveClip;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;
import java.util.List;
import org.jocl.cl_mem;

/**
 * The launches that come before one launch of an update whose gradients are clipped tensor by
 * tensor: those of the leaves of parameters and of gradients, and one of a work-group for each
 * tensor, which forms what its gradient is multiplied by. See clip.cl.
 */
final class OpenClTensorFactors {
  /** Longs of a segment: see norm.cl. */
  private static final int SEGMENT_FIELDS = 8;

  private final OpenClContext context;
  private final boolean isDouble;
  private final int lanes;
  private final long[] firstLeaves; // of each tensor's parameters
  private final long leafCount; // of parameters, and so of gradients
  private final Segments[] tables = new Segments[2]; // of parameters and of gradients
  private final Kernel[] leaves = new Kernel[2];
  private final Kernel form;
  private final cl_mem factors;

  /**
   * Prepares what comes before the update of some tensors in one set of buffers.
   *
   * @param members the tensors, all of groups that clip
   * @param norm what the scale comes from, or null
   */
  OpenClTensorFactors(
      OpenClContext context,
      Programs programs,
      StepPlan plan,
      List<OpenClSpan> members,
      OpenClNorm norm,
      ReleaseStack resources) {
    ElementType arithmetic = members.get(0).type.arithmetic();
    int bytes = arithmetic.bytes();
    this.context = context;
    this.isDouble = arithmetic == ElementType.FLOAT64;
    this.lanes = programs.shape().lanes(arithmetic);
    this.firstLeaves = new long[members.size()];
    ByteBuffer tensors = OpenCl.direct(2 * Long.BYTES * members.size());
    ByteBuffer limits = OpenCl.direct(2 * bytes * members.size());
    long count = 0;
    for (int i = 0; i < firstLeaves.length; i++) {
      firstLeaves[i] = count;
      count += members.get(i).leaves();
      tensors.putLong(firstLeaves[i]).putLong(members.get(i).leaves());
      AdaptiveClip clip = plan.groups().get(members.get(i).group).adaptiveClip();
      for (double limit : new double[] {clip.clip(), clip.eps()}) {
        if (isDouble) {
          limits.putDouble(limit);
        } else {
          limits.putFloat((float) limit);
        }
      }
    }
    this.leafCount = count;
    cl_mem sums = resources.add(context.allocate(2 * count * bytes));
    cl_mem exponents = resources.add(context.allocate(2 * count * Integer.BYTES));
    this.factors = resources.add(context.allocate((long) members.size() * bytes));
    for (int operand = 0; operand < 2; operand++) {
      Segments table = resources.add(new Segments(SEGMENT_FIELDS));
      for (int i = 0; i < members.size(); i++) {
        table.add(members.get(i).leaves(), fields(operand, i, members.get(i)));
      }
      table.upload(context);
      ElementType type = members.get(0).operandType(operand);
      Kernel kernel = resources.add(programs.norm("ws_norm_leaves", type));
      kernel.setInt(0, table.hasTileTable() ? 1 : 0);
      kernel.setBuffer(1, table.segmentBuffer());
      kernel.setBuffer(2, table.tileBuffer());
      kernel.setBuffer(4, sums);
      kernel.setBuffer(5, exponents);
      kernel.setInt(6, SumKind.SQUARES.code());
      kernel.workGroups(table.tiles());
      tables[operand] = table;
      leaves[operand] = kernel;
    }
    setBuffers(members.get(0));
    form = resources.add(programs.tensorFactors(arithmetic));
    OpenClNorm.setControl(form, 2, norm, isDouble, factors);
    form.setLong(4, count);
    form.setBuffer(5, resources.add(context.upload(tensors)));
    form.setBuffer(6, resources.add(context.upload(limits)));
    form.setBuffer(7, sums);
    form.setBuffer(8, exponents);
    form.setBuffer(9, factors);
    form.workGroups(members.size());
  }

  /** What a segment has after the number of its first tile. */
  private long[] fields(int operand, int member, OpenClSpan span) {
    long aligned = span.isAlignedAtStart(operand, lanes) ? 1 : 0;
    long first = operand * leafCount + firstLeaves[member];
    return new long[] {span.length, first, aligned, span.offsets[operand]};
  }

  private void setBuffers(OpenClSpan span) {
    for (int operand = 0; operand < 2; operand++) {
      leaves[operand].setBuffer(3, span.buffers[operand]);
    }
  }

  /** Takes tensors of memory elsewhere. */
  void rebind(List<OpenClSpan> members) {
    for (int operand = 0; operand < 2; operand++) {
      long[][] fields = new long[members.size()][];
      for (int i = 0; i < fields.length; i++) {
        fields[i] = fields(operand, i, members.get(i));
      }
      tables[operand].rewrite(context, List.of(fields));
    }
    setBuffers(members.get(0));
  }

  /** Of each tensor, for the update. */
  cl_mem factors() {
    return factors;
  }

  /** The launches of one step. Allocates nothing. */
  void launch(StepInputs inputs) {
    leaves[0].launch();
    leaves[1].launch();
    GradientScale scale = inputs.gradientScale();
    form.setReal(0, isDouble ? scale.scale() : scale.floatScale(), isDouble);
    form.setReal(1, isDouble ? 1 : scale.floatPrescale(), isDouble);
    form.launch();
  }
}
