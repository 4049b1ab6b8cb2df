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
  private final int[] firstLeaf; // of each tensor
  private final int leaves;
  private final Scratch[] scratch; // of each thread
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
      this.leaves = Math.toIntExact((run.length + LEAF - 1) / LEAF);
      this.floatSums = new float[2][run.isDouble ? 0 : leaves];
      this.doubleSums = new double[2][run.isDouble ? leaves : 0];
      this.exponents = new int[2][leaves];
    }
  }

  /** One thread's working memory. */
  private static final class Scratch {
    final FloatTreeSum floatSum = new FloatTreeSum(SumKind.SQUARES);
    final DoubleTreeSum doubleSum = new DoubleTreeSum(SumKind.SQUARES);
    final float[] floats = new float[LEAF];
    final double[] doubles = new double[LEAF];
    final ElementScratch stored = new ElementScratch(LEAF);
  }

  private CpuTensorFactors(CpuRun[] clipped, WorkerPool pool) {
    this.pool = pool;
    this.tensors = Arrays.stream(clipped).map(Tensor::new).toArray(Tensor[]::new);
    this.firstLeaf = new int[tensors.length];
    int count = 0;
    for (int i = 0; i < tensors.length; i++) {
      firstLeaf[i] = count;
      count = Math.addExact(count, tensors[i].leaves);
    }
    this.leaves = count;
    this.scratch = new Scratch[pool.threads()];
    Arrays.setAll(scratch, i -> new Scratch());
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
    for (Scratch own : scratch) {
      for (Tensor tensor : tensors) {
        own.stored.prepare(tensor.run.memories[0]);
        own.stored.prepare(tensor.run.memories[1]);
      }
    }
  }

  /** Sets the factors of all runs that have one, once the groups have the step's numbers. */
  void compute() {
    pool.run(job, (leaves + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK);
    for (Tensor tensor : tensors) {
      CpuRun run = tensor.run;
      GroupStep group = run.group;
      if (run.isDouble) {
        double gradient = group.doublePrescale * doubleRoot(tensor, 1);
        run.doubleFactor =
            group.adaptiveClip.factor(
                doubleRoot(tensor, 0), Math.abs(group.doubleScale) * gradient);
      } else {
        float gradient = group.floatPrescale * floatRoot(tensor, 1);
        run.floatFactor =
            group.adaptiveClip.factor(floatRoot(tensor, 0), Math.abs(group.floatScale) * gradient);
      }
    }
  }

  private float floatRoot(Tensor tensor, int operand) {
    FloatTreeSum tree = scratch[0].floatSum;
    tree.combine(tensor.floatSums[operand], tensor.exponents[operand], 0, tensor.leaves);
    return tree.root();
  }

  private double doubleRoot(Tensor tensor, int operand) {
    DoubleTreeSum tree = scratch[0].doubleSum;
    tree.combine(tensor.doubleSums[operand], tensor.exponents[operand], 0, tensor.leaves);
    return tree.root();
  }

  private void sumChunk(int worker, int chunk) {
    int from = chunk * LEAVES_PER_CHUNK;
    int to = Math.min(leaves, from + LEAVES_PER_CHUNK);
    int index = Arrays.binarySearch(firstLeaf, from);
    index = index < 0 ? -index - 2 : index; // the last tensor that begins at or before the leaf
    for (int leaf = from; leaf < to; leaf++) {
      while (leaf >= firstLeaf[index] + tensors[index].leaves) {
        index++;
      }
      for (int operand = 0; operand < 2; operand++) {
        sumLeaf(scratch[worker], tensors[index], operand, leaf - firstLeaf[index]);
      }
    }
  }

  private static void sumLeaf(Scratch own, Tensor tensor, int operand, int leaf) {
    CpuRun run = tensor.run;
    long at = (long) leaf * LEAF;
    int n = (int) Math.min(LEAF, run.length - at);
    Object copy = run.isDouble ? own.doubles : own.floats;
    run.memories[operand].load(run.offsets[operand] + at, copy, 0, n, own.stored);
    if (run.isDouble) {
      own.doubleSum.leaf(own.doubles, n);
      tensor.doubleSums[operand][leaf] = own.doubleSum.sum;
      tensor.exponents[operand][leaf] = own.doubleSum.exponent;
    } else {
      own.floatSum.leaf(own.floats, n);
      tensor.floatSums[operand][leaf] = own.floatSum.sum;
      tensor.exponents[operand][leaf] = own.floatSum.exponent;
    }
  }
}
