package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MatrixBatch.Matrix;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.NewtonSchulz;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jocl.cl_mem;

/**
 * The launches of a matrix phase: for each batch of equal matrices a copy to the workspace, three
 * products a step, and a copy back. They stay the same from step to step. See matrix.cl.
 */
final class OpenClMatrices {
  /** Flags of matrix.cl. */
  private static final int TRANSPOSES = 1;

  private static final int STORES = 2;
  private static final int HALF = 4;
  private static final int COMBINES = 8;
  private static final int ADDS = 16;

  /** Rows that a work-group copies, and that a work-item of a product holds. */
  private static final int COPIED = 8;

  private static final int HELD = 4;

  private final Programs programs;
  private final ElementType arithmetic;
  private final boolean isDouble;
  private final int tensorNumbers;
  private final ReleaseStack resources;
  private final List<Kernel> kernels = new ArrayList<>();

  /**
   * Prepares the phase of some tensors in one set of buffers.
   *
   * @param numbers of the tensors, after {@link OpenClSums}
   * @param space has the workspace
   */
  OpenClMatrices(
      OpenClContext context,
      Programs programs,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<OpenClSpan> members,
      cl_mem numbers,
      MatrixSpace space,
      ReleaseStack resources) {
    this.programs = programs;
    this.arithmetic = members.get(0).type.arithmetic();
    this.isDouble = arithmetic == ElementType.FLOAT64;
    this.tensorNumbers = rule.numbers();
    this.resources = resources;
    List<MatrixBatch> batches =
        MatrixBatch.of(
            members.stream()
                .map(
                    span ->
                        span.matrix(plan.groups().get(span.group).rule().matrix().orElseThrow()))
                .toList());
    long bytes = arithmetic.bytes();
    long elements = batches.stream().mapToLong(MatrixBatch::elements).max().orElse(0);
    long squares = batches.stream().mapToLong(MatrixBatch::squares).max().orElse(0);
    MatrixSpace.Buffers buffers = space.buffers(elements * bytes, squares * bytes);
    cl_mem gram = buffers.gram();
    cl_mem polynomial = buffers.polynomial();
    ByteBuffer table = OpenCl.direct(2 * Long.BYTES * members.size());
    for (MatrixBatch batch : batches) {
      for (int member : batch.members()) {
        int slot = batch.matrix().phase().slot();
        table.putLong(members.get(member).offsets[2 + slot]).putLong(member);
      }
    }
    cl_mem parts = resources.add(context.upload(table));
    long first = 0;
    for (MatrixBatch batch : batches) {
      Matrix matrix = batch.matrix();
      NewtonSchulz phase = matrix.phase();
      cl_mem slot = members.get(batch.members().get(0)).buffers[2 + phase.slot()];
      int height = matrix.height();
      int width = matrix.width();
      cl_mem from = buffers.x();
      cl_mem to = buffers.next();
      addCopy(batch, slot, from, numbers, parts, first, 0);
      for (int step = 0; step < phase.steps(); step++) {
        int square = HALF | TRANSPOSES;
        addProduct(batch, from, from, gram, gram, height, width, height, square, 0, 0);
        int combined = HALF | COMBINES;
        addProduct(
            batch,
            gram,
            gram,
            gram,
            polynomial,
            height,
            height,
            height,
            combined,
            phase.c(),
            phase.b());
        addProduct(batch, polynomial, from, from, to, height, height, width, ADDS, 0, phase.a());
        cl_mem former = from;
        from = to;
        to = former;
      }
      addCopy(batch, slot, from, numbers, parts, first, STORES);
      first += batch.members().size();
    }
  }

  private void addCopy(
      MatrixBatch batch,
      cl_mem slot,
      cl_mem workspace,
      cl_mem numbers,
      cl_mem parts,
      long firstPart,
      int flags) {
    Matrix matrix = batch.matrix();
    int rows = Math.toIntExact(matrix.rows());
    Kernel kernel = kernel("ws_copy");
    kernel.setBuffer(0, slot);
    kernel.setBuffer(1, workspace);
    kernel.setBuffer(2, numbers);
    kernel.setBuffer(3, parts);
    kernel.setLong(4, firstPart);
    kernel.setInt(5, rows);
    kernel.setInt(6, Math.toIntExact(matrix.columns()));
    kernel.setInt(7, flags | (matrix.isTall() ? TRANSPOSES : 0));
    kernel.workGroups((long) batch.members().size() * groups(rows, COPIED));
  }

  /** out = f(left right), by the flags. */
  private void addProduct(
      MatrixBatch batch,
      cl_mem left,
      cl_mem right,
      cl_mem other,
      cl_mem out,
      int rows,
      int depth,
      int columns,
      int flags,
      double factor,
      double otherFactor) {
    Kernel kernel = kernel("ws_product");
    kernel.setBuffer(0, left);
    kernel.setBuffer(1, right);
    kernel.setBuffer(2, other);
    kernel.setBuffer(3, out);
    kernel.setInt(4, rows);
    kernel.setInt(5, columns);
    kernel.setInt(6, depth);
    kernel.setInt(7, flags);
    kernel.setReal(8, factor, isDouble);
    kernel.setReal(9, otherFactor, isDouble);
    int side = programs.shape().matrixSide();
    long tiles =
        groups(rows, HELD * side)
            * (long) groups(columns, programs.shape().lanes(arithmetic) * side);
    kernel.workGroups(batch.members().size() * tiles);
  }

  private static int groups(int length, int each) {
    return (length - 1) / each + 1;
  }

  private Kernel kernel(String entry) {
    Kernel kernel = resources.add(programs.matrix(entry, arithmetic, tensorNumbers));
    kernels.add(kernel);
    return kernel;
  }

  /** The launches of one step. Allocates nothing. */
  void launch() {
    for (int i = 0; i < kernels.size(); i++) { // an iterator would allocate on every step
      kernels.get(i).launch();
    }
  }
}
