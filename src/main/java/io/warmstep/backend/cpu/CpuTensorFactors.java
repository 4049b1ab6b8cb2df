package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import java.util.Arrays;

/**
 * What the gradient of each tensor is multiplied by under adaptive clipping, from the norms of the
 * parameter and of the gradient as they are in memory. Leaves are summed in parallel and then
 * combined in their order, as those of the global norm.
 */
final class CpuTensorFactors {
  private static final int LEAF = StepPlan.LEAF;

  private final WorkerPool pool;
  private final Tensor[] tensors;
  private final LeafIndex index;
  private final LeafSum[] sums; // of each thread
  private final WorkerPool.Job job = this::sumChunk;

  /** A span, and the sums of the leaves of its parameters and of its gradients. */
  private static final class Tensor {
    final CpuSpan span;
    final int leaves;
    final float[][] floatSums;
    final double[][] doubleSums;
    final int[][] exponents;

    Tensor(CpuSpan span) {
      this.span = span;
      this.leaves = LeafIndex.leaves(span.length);
      this.floatSums = new float[2][span.isDouble ? 0 : leaves];
      this.doubleSums = new double[2][span.isDouble ? leaves : 0];
      this.exponents = new int[2][leaves];
    }
  }

  private CpuTensorFactors(CpuSpan[] clipped, WorkerPool pool) {
    this.pool = pool;
    this.tensors = Arrays.stream(clipped).map(Tensor::new).toArray(Tensor[]::new);
    this.index =
        new LeafIndex(
            Arrays.stream(clipped).mapToLong(span -> span.length).toArray(), pool.threads());
    this.sums = new LeafSum[pool.threads()];
    Arrays.setAll(sums, i -> new LeafSum(SumKind.SQUARES));
    prepare();
  }

  /** Null if no gradient is clipped so. */
  static CpuTensorFactors of(CpuSpan[] spans, WorkerPool pool) {
    CpuSpan[] clipped =
        Arrays.stream(spans)
            .filter(span -> span.group.adaptiveClip.isUsed())
            .toArray(CpuSpan[]::new);
    return clipped.length == 0 ? null : new CpuTensorFactors(clipped, pool);
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare() {
    for (LeafSum sum : sums) {
      for (Tensor tensor : tensors) {
        sum.prepare(tensor.span.memories[0]);
        sum.prepare(tensor.span.memories[1]);
      }
    }
  }

  /** Sets the factors of all spans that have one, once the groups have the step's numbers. */
  void compute() {
    pool.run(job, index.chunks());
    for (Tensor tensor : tensors) {
      CpuSpan span = tensor.span;
      GroupStep group = span.group;
      if (span.isDouble) {
        double gradient = group.gradients.magnitudeOf(doubleRoot(tensor, 1));
        span.doubleFactor = group.adaptiveClip.factor(doubleRoot(tensor, 0), gradient);
      } else {
        float gradient = group.gradients.magnitudeOf(floatRoot(tensor, 1));
        span.floatFactor = group.adaptiveClip.factor(floatRoot(tensor, 0), gradient);
      }
    }
  }

  private float floatRoot(Tensor tensor, int operand) {
    FloatTreeSum tree = sums[0].floats;
    tree.combine(tensor.floatSums[operand], tensor.exponents[operand], 0, tensor.leaves);
    return tree.root();
  }

  private double doubleRoot(Tensor tensor, int operand) {
    DoubleTreeSum tree = sums[0].doubles;
    tree.combine(tensor.doubleSums[operand], tensor.exponents[operand], 0, tensor.leaves);
    return tree.root();
  }

  private void sumChunk(int worker, int chunk) {
    int end = index.chunkEnd(chunk);
    for (int leaf = index.chunkStart(chunk); leaf < end; leaf++) {
      int tensor = index.tensorOf(leaf);
      for (int operand = 0; operand < 2; operand++) {
        sumLeaf(sums[worker], tensors[tensor], operand, leaf - index.first(tensor));
      }
    }
  }

  private static void sumLeaf(LeafSum sum, Tensor tensor, int operand, int leaf) {
    CpuSpan span = tensor.span;
    long from = (long) leaf * LEAF;
    int n = (int) Math.min(LEAF, span.length - from);
    CpuMemory memory = span.memories[operand];
    long at = span.offsets[operand] + from;
    if (span.isDouble) {
      sum.addDoubles(memory, at, n);
      tensor.doubleSums[operand][leaf] = sum.doubles.sum;
      tensor.exponents[operand][leaf] = sum.doubles.exponent;
    } else {
      sum.addFloats(memory, at, n);
      tensor.floatSums[operand][leaf] = sum.floats.sum;
      tensor.exponents[operand][leaf] = sum.floats.exponent;
    }
  }
}
