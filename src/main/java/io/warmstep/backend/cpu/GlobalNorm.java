package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.GradientScale;
import io.warmstep.step.LeafExchange;
import java.util.Arrays;
import java.util.List;

/**
 * The global gradient norm of a plan: leaves summed in parallel, then combined in the order of the
 * parameters. Elements of float32 arithmetic and of float64 have trees of their own.
 */
final class GlobalNorm {
  private static final int LEAF = StepPlan.LEAF;

  private final WorkerPool pool;
  private final Leaves floats;
  private final Leaves doubles;
  private final LeafSum[] sums; // of each thread
  private final WorkerPool.Job floatJob = this::sumFloats;
  private final WorkerPool.Job doubleJob = this::sumDoubles;
  private final LeafExchange.Leaves own;

  /** Null where the plan is of the whole model. */
  private final LeafExchange.Prepared exchange;

  private final JoinedNorm joined;

  /** The gradients of one arithmetic type, cut into leaves. */
  private static final class Leaves {
    List<StepPlan.Entry> entries;
    final LeafIndex index;
    final float[] floatSums;
    final double[] doubleSums;
    final int[] exponents;
    private final boolean areDouble;

    Leaves(List<StepPlan.Entry> entries, boolean areDouble, int threads) {
      this.entries = entries;
      this.areDouble = areDouble;
      this.index =
          new LeafIndex(entries.stream().mapToLong(StepPlan.Entry::length).toArray(), threads);
      this.floatSums = new float[areDouble ? 0 : index.count()];
      this.doubleSums = new double[areDouble ? index.count() : 0];
      this.exponents = new int[index.count()];
    }

    void prepare(LeafSum sum) {
      entries.forEach(entry -> sum.prepare((CpuMemory) entry.gradients().memory()));
    }

    /** Adds a chunk's leaves up. */
    void add(int chunk, LeafSum sum) {
      int end = index.chunkEnd(chunk);
      for (int leaf = index.chunkStart(chunk); leaf < end; leaf++) {
        int tensor = index.tensorOf(leaf);
        StepPlan.Entry entry = entries.get(tensor);
        CpuMemory memory = (CpuMemory) entry.gradients().memory();
        long from = (long) (leaf - index.first(tensor)) * LEAF;
        long at = entry.gradients().offset() + from;
        int n = (int) Math.min(LEAF, entry.length() - from);
        if (areDouble) {
          sum.addDoubles(memory, at, n);
          doubleSums[leaf] = sum.doubles.sum;
          exponents[leaf] = sum.doubles.exponent;
        } else {
          sum.addFloats(memory, at, n);
          floatSums[leaf] = sum.floats.sum;
          exponents[leaf] = sum.floats.exponent;
        }
      }
    }
  }

  GlobalNorm(StepPlan plan, WorkerPool pool) {
    this.pool = pool;
    Norm norm = plan.options().norm();
    floats = new Leaves(plan.normOrder(ElementType.FLOAT32), false, pool.threads());
    doubles = new Leaves(plan.normOrder(ElementType.FLOAT64), true, pool.threads());
    own =
        new LeafExchange.Leaves(
            floats.floatSums, floats.exponents, doubles.doubleSums, doubles.exponents);
    exchange = plan.options().leafExchange() == null ? null : plan.exchangeNorm(own);
    joined = new JoinedNorm(plan.options());
    sums = new LeafSum[pool.threads()];
    Arrays.setAll(sums, i -> new LeafSum(SumKind.of(norm)));
    prepare();
  }

  /** Takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    floats.entries = plan.normOrder(ElementType.FLOAT32);
    doubles.entries = plan.normOrder(ElementType.FLOAT64);
    prepare();
  }

  private void prepare() {
    for (LeafSum sum : sums) {
      floats.prepare(sum);
      doubles.prepare(sum);
    }
  }

  /** What follows from the last leaves. */
  JoinedNorm joined() {
    return joined;
  }

  void compute(GradientScale scale) {
    pool.run(floatJob, floats.index.chunks());
    if (doubles.index.count() > 0) {
      pool.run(doubleJob, doubles.index.chunks());
    }
    joined.join(scale, exchange == null ? own : exchange.all());
  }

  private void sumFloats(int worker, int chunk) {
    floats.add(chunk, sums[worker]);
  }

  private void sumDoubles(int worker, int chunk) {
    doubles.add(chunk, sums[worker]);
  }
}
