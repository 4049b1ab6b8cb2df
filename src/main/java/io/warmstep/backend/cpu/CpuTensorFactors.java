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
  private static final int LEAVES_PER_CHUNK = 8;

  private final WorkerPool pool;
  private final Tensor[] tensors;
  private final LeafIndex index;
  private final LeafSum[] sums; // of each thread
  private final WorkerPool.Job job = this::sumChunk;

  /** A run, and the sums of the leaves of its parameters and of its gradients. */
  private static final class Tensor {
    final CpuRun run;
    final int leaves;
    final float[][] floatSums;
    final double[][] doubleSums;
    final int[][] exponents;

    Tensor(CpuRun run) {
      this.run = run;
      this.leaves = LeafIndex.leaves(run.length);
      this.floatSums = new float[2][run.isDouble ? 0 : leaves];
      this.doubleSums = new double[2][run.isDouble ? leaves : 0];
      this.exponents = new int[2][leaves];
    }
  }

  private CpuTensorFactors(CpuRun[] clipped, WorkerPool pool) {
    this.pool = pool;
    this.tensors = Arrays.stream(clipped).map(Tensor::new).toArray(Tensor[]::new);
    this.index = new LeafIndex(Arrays.stream(clipped).mapToLong(run -> run.length).toArray());
    this.sums = new LeafSum[pool.threads()];
    Arrays.setAll(sums, i -> new LeafSum(SumKind.SQUARES));
    prepare();
  }

  /** Null if no gradient is clipped so. */
  static CpuTensorFactors of(CpuRun[] runs, WorkerPool pool) {
    CpuRun[] clipped =
        Arrays.stream(runs).filter(run -> run.group.adaptiveClip.isUsed()).toArray(CpuRun[]::new);
    return clipped.length == 0 ? null : new CpuTensorFactors(clipped, pool);
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare() {
    for (LeafSum sum : sums) {
      for (Tensor tensor : tensors) {
        sum.prepare(tensor.run.memories[0]);
        sum.prepare(tensor.run.memories[1]);
      }
    }
  }

  /** Sets the factors of all runs that have one, once the groups have the step's numbers. */
  void compute() {
    pool.run(job, (index.count() + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK);
    for (Tensor tensor : tensors) {
      CpuRun run = tensor.run;
      GroupStep group = run.group;
      if (run.isDouble) {
        double gradient = group.doubleGradients.magnitudeOf(doubleRoot(tensor, 1));
        run.doubleFactor = group.adaptiveClip.factor(doubleRoot(tensor, 0), gradient);
      } else {
        float gradient = group.floatGradients.magnitudeOf(floatRoot(tensor, 1));
        run.floatFactor = group.adaptiveClip.factor(floatRoot(tensor, 0), gradient);
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
    int end = Math.min(index.count(), (chunk + 1) * LEAVES_PER_CHUNK);
    for (int leaf = chunk * LEAVES_PER_CHUNK; leaf < end; leaf++) {
      int tensor = index.tensorOf(leaf);
      for (int operand = 0; operand < 2; operand++) {
        sumLeaf(sums[worker], tensors[tensor], operand, leaf - index.first(tensor));
      }
    }
  }

  private static void sumLeaf(LeafSum sum, Tensor tensor, int operand, int leaf) {
    CpuRun run = tensor.run;
    long from = (long) leaf * LEAF;
    int n = (int) Math.min(LEAF, run.length - from);
    CpuMemory memory = run.memories[operand];
    long at = run.offsets[operand] + from;
    if (run.isDouble) {
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
