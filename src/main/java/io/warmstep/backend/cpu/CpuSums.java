package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import io.warmstep.step.StepOptions;
import java.util.Arrays;

/**
 * The first phase of rules that add something up over each tensor, and the numbers of tensors that
 * come of it. Leaves are summed in parallel; a tensor's are then combined in their order.
 */
final class CpuSums {
  private static final int LEAF = StepPlan.LEAF;

  /** A share of 64 KiB for each operand of float32. */
  private static final int LEAVES_PER_CHUNK = 4;

  private final WorkerPool pool;
  private final Tensor[] tensors;
  private final int[] firstLeaf; // of each tensor
  private final int leaves;
  private final FloatLeaf[] floats; // of each thread
  private final DoubleLeaf[] doubles;
  private final WorkerPool.Job job = this::sumChunk;

  /** A run and the sums of its leaves. */
  private static final class Tensor {
    final CpuRun run;
    final int leaves;
    final float[][] floatSums;
    final double[][] doubleSums;
    final int[][] exponents;

    Tensor(CpuRun run) {
      this.run = run;
      this.leaves = Math.toIntExact((run.length + LEAF - 1) / LEAF);
      int count = run.group.sums.kinds().size();
      this.floatSums = new float[run.isDouble ? 0 : count][leaves];
      this.doubleSums = new double[run.isDouble ? count : 0][leaves];
      this.exponents = new int[count][leaves];
    }
  }

  private CpuSums(StepOptions options, CpuRun[] summed, WorkerPool pool) {
    this.pool = pool;
    this.tensors = Arrays.stream(summed).map(Tensor::new).toArray(Tensor[]::new);
    this.firstLeaf = new int[tensors.length];
    int count = 0;
    int slots = 0;
    for (int i = 0; i < tensors.length; i++) {
      firstLeaf[i] = count;
      count = Math.addExact(count, tensors[i].leaves);
      slots = Math.max(slots, tensors[i].run.memories.length - 2);
    }
    this.leaves = count;
    boolean clips = options.clipValue() > 0;
    boolean hasDoubles = Arrays.stream(summed).anyMatch(run -> run.isDouble);
    boolean hasFloats = Arrays.stream(summed).anyMatch(run -> !run.isDouble);
    this.floats = new FloatLeaf[hasFloats ? pool.threads() : 0];
    this.doubles = new DoubleLeaf[hasDoubles ? pool.threads() : 0];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = new FloatLeaf(slots, clips, (float) options.clipValue());
    }
    for (int i = 0; i < doubles.length; i++) {
      doubles[i] = new DoubleLeaf(slots, clips, options.clipValue());
    }
    prepare();
  }

  /** Null if no rule adds anything up. */
  static CpuSums of(StepOptions options, CpuRun[] runs, WorkerPool pool) {
    CpuRun[] summed =
        Arrays.stream(runs).filter(run -> run.group.sums != null).toArray(CpuRun[]::new);
    return summed.length == 0 ? null : new CpuSums(options, summed, pool);
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare() {
    for (Tensor tensor : tensors) {
      for (CpuMemory memory : tensor.run.memories) {
        if (tensor.run.isDouble) {
          Arrays.stream(doubles).forEach(leaf -> leaf.prepare(memory));
        } else {
          Arrays.stream(floats).forEach(leaf -> leaf.prepare(memory));
        }
      }
    }
  }

  /** Does the first phase of all tensors and forms their numbers. */
  void compute() {
    pool.run(job, (leaves + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK);
    for (Tensor tensor : tensors) {
      if (tensor.run.isDouble) {
        doubles[0].numbers(tensor.run, tensor.doubleSums, tensor.exponents);
      } else {
        floats[0].numbers(tensor.run, tensor.floatSums, tensor.exponents);
      }
    }
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
      Tensor tensor = tensors[index];
      int own = leaf - firstLeaf[index];
      long at = (long) own * LEAF;
      int n = (int) Math.min(LEAF, tensor.run.length - at);
      if (tensor.run.isDouble) {
        doubles[worker].sum(tensor.run, at, n, tensor.doubleSums, tensor.exponents, own);
      } else {
        floats[worker].sum(tensor.run, at, n, tensor.floatSums, tensor.exponents, own);
      }
    }
  }
}
