package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.LongStream;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that move the factors of rows and columns, before the first phase: one of a block
 * for each tile, and one for the rows and the columns of each matrix. They have the arguments of
 * the sums, with tables of their own in the place of the leaves'. See factors.cu.
 */
final class CudaFactors {
  private final CudaContext context;
  private final CUfunction tiles;
  private final CUfunction join;
  private final TileTable tileTable;
  private final TileTable joinTable;
  private final Arena.Part workspace;
  private final List<CudaSpan> spans;
  private final int bytes;

  CudaFactors(CudaContext context, Kernels kernels, Arena arena, List<CudaSpan> spans) {
    ElementType type = spans.get(0).type;
    this.context = context;
    this.spans = spans;
    this.bytes = type.arithmetic().bytes();
    this.tiles = kernels.get("factor_tiles_" + type);
    this.join = kernels.get("factor_join_" + type.arithmetic());
    this.tileTable = new TileTable(arena, spans.stream().mapToLong(CudaFactors::tiles).toArray());
    this.joinTable = new TileTable(arena, spans.stream().mapToLong(CudaFactors::joins).toArray());
    long elements = 0;
    for (CudaSpan span : spans) {
      elements += span.factors == null ? 0 : LongStream.of(rooms(span.factors)).sum();
    }
    this.workspace = arena.reserve(elements * bytes);
  }

  /** Elements for the inverse roots of rows and columns and the sums of tiles of both. */
  private static long[] rooms(StepPlan.Factors factors) {
    return new long[] {
      factors.matrices() * factors.height(),
      factors.matrices() * factors.width(),
      factors.rowSums(),
      factors.columnSums()
    };
  }

  private static long tiles(CudaSpan span) {
    return span.factors == null ? 0 : span.factors.tiles();
  }

  private static long joins(CudaSpan span) {
    return span.factors == null ? 0 : span.factors.matrices() * (1 + span.factors.across());
  }

  /** Writes where the workspace is into the rows of the tensors; the arena is allocated by now. */
  void setFixed(ByteBuffer rows) {
    long address = workspace.address();
    for (int i = 0; i < spans.size(); i++) {
      StepPlan.Factors factors = spans.get(i).factors;
      if (factors != null) {
        int at = i * Layout.SUM_WHOLE_BYTES + Layout.WHOLE_ROW_INVERSES;
        for (long room : rooms(factors)) {
          rows.putLong(at, address);
          at += Long.BYTES;
          address += room * bytes;
        }
      }
    }
  }

  /**
   * With the context current: the launches of one step. Allocates nothing.
   *
   * @param arguments those of the sums, whose table of leaves is put back
   */
  void launch(ByteBuffer arguments, Pointer pointer) {
    long leaves = arguments.getLong(Layout.SUM_LEAVES);
    try {
      arguments.putLong(Layout.SUM_LEAVES, tileTable.address());
      context.launch(tiles, tileTable.blocks(), pointer);
      arguments.putLong(Layout.SUM_LEAVES, joinTable.address());
      context.launch(join, joinTable.blocks(), pointer);
    } finally {
      arguments.putLong(Layout.SUM_LEAVES, leaves);
    }
  }
}
