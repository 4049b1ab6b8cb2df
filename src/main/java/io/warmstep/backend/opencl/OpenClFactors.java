package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.List;
import org.jocl.cl_mem;

/**
 * The launches that move the factors of rows and columns of some parameters in one set of buffers,
 * before the first phase: of a work-group for each tile, and for the rows and the columns of each
 * matrix. See factors.cl.
 */
final class OpenClFactors {
  private final Kernel tiles;
  private final Kernel join;
  private final Segments tileSegments;
  private final Segments joinSegments;
  private final GroupNumbers groups;
  private final boolean isDouble;
  private final cl_mem rowInverses;
  private final cl_mem columnInverses;

  /** Of each parameter, where its inverse roots and its sums of tiles are, of rows and columns. */
  private final long[][] places;

  OpenClFactors(
      OpenClContext context,
      Programs programs,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<OpenClSpan> members,
      List<Long> tags,
      GroupNumbers groups,
      OpenClNorm norm,
      ReleaseStack resources) {
    ElementType type = members.get(0).type;
    this.groups = groups;
    this.isDouble = type == ElementType.FLOAT64;
    this.places = new long[members.size()][];
    this.tileSegments = resources.add(new Segments(Programs.FACTOR_SEGMENT_FIELDS));
    this.joinSegments = resources.add(new Segments(Programs.FACTOR_SEGMENT_FIELDS));
    long rows = 0;
    long columns = 0;
    long rowSums = 0;
    long columnSums = 0;
    for (int i = 0; i < places.length; i++) {
      StepPlan.Factors factors = members.get(i).factors;
      places[i] = new long[] {rows, columns, rowSums, columnSums};
      long[] fields = fields(members.get(i), tags.get(i), places[i]);
      tileSegments.add(factors.tiles(), fields);
      joinSegments.add(factors.matrices() * (1 + factors.across()), fields);
      rows += factors.matrices() * factors.height();
      columns += factors.matrices() * factors.width();
      rowSums += factors.rowSums();
      columnSums += factors.columnSums();
    }
    tileSegments.upload(context);
    joinSegments.upload(context);
    int bytes = type.arithmetic().bytes();
    this.rowInverses = resources.add(context.allocate(rows * bytes));
    this.columnInverses = resources.add(context.allocate(columns * bytes));
    cl_mem rowBuffer = resources.add(context.allocate(rowSums * bytes));
    cl_mem columnBuffer = resources.add(context.allocate(columnSums * bytes));
    StepOptions options = plan.options();
    this.tiles = resources.add(programs.factors(rule, "ws_factor_tiles", type));
    tiles.setReal(3, options.clipValue() > 0 ? options.clipValue() : -1, isDouble);
    tiles.setInt(4, OpenClNorm.flags(norm));
    tiles.setInt(5, tileSegments.hasTileTable() ? 1 : 0);
    tiles.setBuffer(6, norm == null ? tileSegments.segmentBuffer() : norm.control(isDouble));
    tiles.setBuffer(7, tileSegments.segmentBuffer());
    tiles.setBuffer(8, tileSegments.tileBuffer());
    tiles.setBuffer(10, rowBuffer);
    tiles.setBuffer(11, columnBuffer);
    tiles.workGroups(tileSegments.tiles());
    this.join = resources.add(programs.factors(rule, "ws_factor_join", type));
    join.setInt(1, joinSegments.hasTileTable() ? 1 : 0);
    join.setBuffer(2, joinSegments.segmentBuffer());
    join.setBuffer(3, joinSegments.tileBuffer());
    join.setBuffer(6, rowBuffer);
    join.setBuffer(7, columnBuffer);
    join.setBuffer(8, rowInverses);
    join.setBuffer(9, columnInverses);
    OpenClNorm.setControl(join, 10, norm, isDouble, rowInverses);
    join.workGroups(joinSegments.tiles());
    setBuffers(members.get(0));
  }

  /** What a segment has after the number of its first tile. */
  private static long[] fields(OpenClSpan span, long tag, long[] places) {
    return new long[] {
      span.length,
      tag,
      span.gradientOffset(),
      OpenClSpan.offset(span.factors.rows()),
      OpenClSpan.offset(span.factors.columns()),
      places[0],
      places[1],
      places[2],
      places[3],
      span.factors.height(),
      span.factors.width()
    };
  }

  private void setBuffers(OpenClSpan span) {
    tiles.setBuffer(9, span.gradients());
    join.setBuffer(4, OpenClSpan.buffer(span.factors.rows()));
    join.setBuffer(5, OpenClSpan.buffer(span.factors.columns()));
  }

  /** Takes parameters of memory elsewhere. */
  void rebind(OpenClContext context, List<OpenClSpan> members, List<Long> tags) {
    List<long[]> fields = new ArrayList<>();
    for (int i = 0; i < places.length; i++) {
      fields.add(fields(members.get(i), tags.get(i), places[i]));
    }
    tileSegments.rewrite(context, fields);
    joinSegments.rewrite(context, fields);
    setBuffers(members.get(0));
  }

  /** Gives a kernel of a phase the buffers that it reads, from a place among its arguments on. */
  void setBuffers(Kernel phase, int index) {
    phase.setBuffer(index, rowInverses);
    phase.setBuffer(index + 1, columnInverses);
  }

  /** What the segments of phases have of a parameter. */
  long[] fields(int member, OpenClSpan span) {
    return new long[] {
      places[member][0], places[member][1], span.factors.height(), span.factors.width()
    };
  }

  /** The launches of one step. Allocates nothing. */
  void launch(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    groups.set(tiles, 0);
    tiles.setReal(1, isDouble ? scale.scale() : scale.floatScale(), isDouble);
    tiles.setReal(2, isDouble ? 1 : scale.floatPrescale(), isDouble);
    tiles.launch();
    groups.set(join, 0);
    join.launch();
  }
}
