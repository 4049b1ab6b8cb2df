package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MatrixBatch.Matrix;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.NewtonSchulz;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches of a matrix phase: for each batch of equal matrices a copy to the workspace, three
 * products a step, and a copy back. They stay the same from step to step.
 */
final class CudaMatrices {
  private static final int COPY_TILE = 32;

  private final CudaContext context;
  private final boolean isDouble;
  private final List<MatrixBatch> batches;
  private final CUfunction copy;
  private final CUfunction product;
  private final Arena.Part parts;
  private final long elementBytes;
  private final long squareBytes;
  private final Arena.Part x;
  private final Arena.Part next;
  private final Arena.Part gram;
  private final Arena.Part polynomial;
  private final List<Launch> launches = new ArrayList<>();
  private long normResult;
  private long numbers;

  private record Launch(CUfunction function, int blocks, Pointer arguments) {}

  /**
   * Prepares them.
   *
   * @param lenders whose workspace serves if it is large enough: launches come one after the other
   */
  CudaMatrices(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      StepPlan plan,
      List<CudaSpan> spans,
      List<CudaMatrices> lenders) {
    ElementType arithmetic = spans.get(0).type.arithmetic();
    this.context = context;
    this.isDouble = arithmetic == ElementType.FLOAT64;
    this.batches =
        MatrixBatch.of(
            spans.stream()
                .map(
                    span ->
                        span.matrix(plan.groups().get(span.group).rule().matrix().orElseThrow()))
                .toList());
    this.copy = kernels.get("matrix_copy_" + arithmetic);
    this.product = kernels.get("matrix_product_" + arithmetic);
    this.parts = arena.table((long) spans.size() * Layout.MATRIX_PART_BYTES);
    for (MatrixBatch batch : batches) {
      for (int member : batch.members()) {
        long address = spans.get(member).stateAddress(batch.matrix().phase().slot());
        parts.content().putLong(address).putLong(member);
      }
    }
    int bytes = arithmetic.bytes();
    this.elementBytes = largest(MatrixBatch::elements) * bytes;
    this.squareBytes = largest(MatrixBatch::squares) * bytes;
    CudaMatrices lender =
        lenders.stream()
            .filter(one -> one.elementBytes >= elementBytes && one.squareBytes >= squareBytes)
            .findFirst()
            .orElse(null);
    this.x = lender != null ? lender.x : arena.reserve(elementBytes);
    this.next = lender != null ? lender.next : arena.reserve(elementBytes);
    this.gram = lender != null ? lender.gram : arena.reserve(squareBytes);
    this.polynomial = lender != null ? lender.polynomial : arena.reserve(squareBytes);
  }

  private long largest(ToLongFunction<MatrixBatch> size) {
    return batches.stream().mapToLong(size).max().orElse(0);
  }

  /**
   * Writes the arguments; the arena is allocated by now.
   *
   * @param norm where the norm's result is, or 0
   * @param tensorNumbers where the numbers of the spans are
   */
  void setFixed(long norm, long tensorNumbers) {
    normResult = norm;
    numbers = tensorNumbers;
    long first = parts.address();
    for (MatrixBatch batch : batches) {
      Matrix matrix = batch.matrix();
      NewtonSchulz phase = matrix.phase();
      int rows = Math.toIntExact(matrix.rows());
      int columns = Math.toIntExact(matrix.columns());
      int transposes = matrix.isTall() ? Layout.MATRIX_TRANSPOSES : 0;
      int height = matrix.height();
      int width = matrix.width();
      addCopy(batch, first, x, rows, columns, transposes);
      Arena.Part from = x;
      Arena.Part to = next;
      for (int step = 0; step < phase.steps(); step++) {
        int half = Layout.MATRIX_HALF;
        int square = half | Layout.MATRIX_TRANSPOSES;
        int combines = half | Layout.MATRIX_COMBINES;
        addProduct(batch, from, from, gram, gram, height, width, height, square, 0, 0);
        addProduct(
            batch,
            gram,
            gram,
            gram,
            polynomial,
            height,
            height,
            height,
            combines,
            phase.c(),
            phase.b());
        addProduct(
            batch,
            polynomial,
            from,
            from,
            to,
            height,
            height,
            width,
            Layout.MATRIX_ADDS,
            0,
            phase.a());
        Arena.Part former = from;
        from = to;
        to = former;
      }
      boolean isTall = matrix.isTall();
      int flags = Layout.MATRIX_STORES | transposes;
      addCopy(batch, first, from, isTall ? columns : rows, isTall ? rows : columns, flags);
      first += (long) batch.members().size() * Layout.MATRIX_PART_BYTES;
    }
  }

  private void addCopy(
      MatrixBatch batch, long firstPart, Arena.Part own, int rows, int columns, int flags) {
    ByteBuffer arguments = arguments();
    arguments.putLong(Layout.MATRIX_PARTS, firstPart);
    arguments.putLong(Layout.MATRIX_OUT, own.address());
    add(copy, batch, arguments, rows, columns, 0, flags, COPY_TILE);
  }

  /** out = f(left right), by the flags. */
  private void addProduct(
      MatrixBatch batch,
      Arena.Part left,
      Arena.Part right,
      Arena.Part other,
      Arena.Part out,
      int rows,
      int depth,
      int columns,
      int flags,
      double factor,
      double otherFactor) {
    ByteBuffer arguments = arguments();
    arguments.putLong(Layout.MATRIX_LEFT, left.address());
    arguments.putLong(Layout.MATRIX_RIGHT, right.address());
    arguments.putLong(Layout.MATRIX_OTHER, other.address());
    arguments.putLong(Layout.MATRIX_OUT, out.address());
    if (isDouble) {
      arguments.putDouble(Layout.MATRIX_FACTOR, factor);
      arguments.putDouble(Layout.MATRIX_FACTOR + Double.BYTES, otherFactor);
    } else {
      arguments.putFloat(Layout.MATRIX_FACTOR, (float) factor);
      arguments.putFloat(Layout.MATRIX_FACTOR + Float.BYTES, (float) otherFactor);
    }
    add(product, batch, arguments, rows, columns, depth, flags, isDouble ? 64 : 128);
  }

  private ByteBuffer arguments() {
    ByteBuffer arguments = Cuda.direct(Layout.matrixBytes(isDouble));
    arguments.putLong(Layout.MATRIX_NUMBERS, numbers);
    arguments.putLong(Layout.MATRIX_NORM, normResult);
    return arguments;
  }

  private void add(
      CUfunction function,
      MatrixBatch batch,
      ByteBuffer arguments,
      int rows,
      int columns,
      int depth,
      int flags,
      int tile) {
    int across = (columns - 1) / tile + 1;
    int tiles = Math.multiplyExact(across, (rows - 1) / tile + 1);
    arguments.position(Layout.matrixRows(isDouble));
    arguments.putInt(rows).putInt(columns).putInt(depth).putInt(flags).putInt(across).putInt(tiles);
    arguments.rewind();
    int blocks = Math.multiplyExact(tiles, batch.members().size());
    launches.add(new Launch(function, blocks, Pointer.to(Pointer.to(arguments))));
  }

  /** With the context current: the launches of one step. Allocates nothing. */
  void launch() {
    for (int i = 0; i < launches.size(); i++) { // an iterator would allocate on every step
      Launch launch = launches.get(i);
      context.launch(launch.function, launch.blocks, launch.arguments);
    }
  }
}
