package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.GradientScale;
import io.warmstep.step.LeafExchange;
import java.util.List;

/**
 * The global gradient norm of a plan: leaves summed in parallel, then combined in the order of the
 * parameters. Elements of float32 arithmetic and of float64 have trees of their own.
 */
final class GlobalNorm {
  private static final int LEAF = StepPlan.LEAF;
  private static final int LEAVES_PER_CHUNK = 16;

  private final WorkerPool pool;
  private final Leaves floats;
  private final Leaves doubles;
  private final Scratch[] scratch;
  private final WorkerPool.Job floatJob = this::sumFloats;
  private final WorkerPool.Job doubleJob = this::sumDoubles;
  private final float[] floatSums;
  private final double[] doubleSums;
  private final LeafExchange exchange;
  private final LeafExchange.Leaves own;
  private final JoinedNorm joined;

  /** One thread's working memory. */
  private static final class Scratch {
    final FloatTreeSum floatSum;
    final DoubleTreeSum doubleSum;
    final float[] floats = new float[LEAF];
    final double[] doubles = new double[LEAF];
    final ElementScratch stored = new ElementScratch(LEAF);

    Scratch(SumKind kind) {
      floatSum = new FloatTreeSum(kind);
      doubleSum = new DoubleTreeSum(kind);
    }
  }

  /** The gradients of one arithmetic type, cut into leaves. */
  private static final class Leaves {
    List<StepPlan.Entry> entries;
    final int[] firstLeaf;
    final int[] exponents;
    final int count;

    Leaves(List<StepPlan.Entry> entries) {
      this.entries = entries;
      this.firstLeaf = new int[entries.size()];
      long leaves = 0;
      for (int i = 0; i < firstLeaf.length; i++) {
        firstLeaf[i] = Math.toIntExact(leaves);
        leaves += (entries.get(i).length() + LEAF - 1) / LEAF;
      }
      this.count = Math.toIntExact(leaves);
      this.exponents = new int[count];
    }

    void prepare(ElementScratch scratch) {
      entries.forEach(entry -> scratch.prepare((CpuMemory) entry.gradients().memory()));
    }

    int chunks() {
      return (count + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK;
    }

    /** The last entry that starts at or before a leaf; empty entries never match. */
    int entryOf(int leaf) {
      int low = 0;
      int high = firstLeaf.length - 1;
      while (low < high) {
        int middle = (low + high + 1) >>> 1;
        if (firstLeaf[middle] <= leaf) {
          low = middle;
        } else {
          high = middle - 1;
        }
      }
      return low;
    }

    /** Loads a leaf; returns how many elements it has. */
    int load(int entryIndex, int leaf, Object target, ElementScratch scratch) {
      StepPlan.Entry entry = entries.get(entryIndex);
      long at = (long) (leaf - firstLeaf[entryIndex]) * LEAF;
      int n = (int) Math.min(LEAF, entry.length() - at);
      CpuMemory memory = (CpuMemory) entry.gradients().memory();
      memory.load(entry.gradients().offset() + at, target, 0, n, scratch);
      return n;
    }
  }

  GlobalNorm(StepPlan plan, WorkerPool pool) {
    this.pool = pool;
    Norm norm = plan.options().norm();
    floats = new Leaves(plan.normOrder(ElementType.FLOAT32));
    doubles = new Leaves(plan.normOrder(ElementType.FLOAT64));
    exchange = plan.options().leafExchange();
    floatSums = new float[floats.count];
    doubleSums = new double[doubles.count];
    own = new LeafExchange.Leaves(floatSums, floats.exponents, doubleSums, doubles.exponents);
    joined = new JoinedNorm(plan.options());
    scratch = new Scratch[pool.threads()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new Scratch(SumKind.of(norm));
      floats.prepare(scratch[i].stored);
      doubles.prepare(scratch[i].stored);
    }
  }

  /** Takes a plan whose gradients lie elsewhere. */
  void rebind(StepPlan plan) {
    floats.entries = plan.normOrder(ElementType.FLOAT32);
    doubles.entries = plan.normOrder(ElementType.FLOAT64);
    for (Scratch own : scratch) {
      floats.prepare(own.stored);
      doubles.prepare(own.stored);
    }
  }

  /** What follows from the last leaves. */
  JoinedNorm joined() {
    return joined;
  }

  void compute(GradientScale scale) {
    pool.run(floatJob, floats.chunks());
    if (doubles.count > 0) {
      pool.run(doubleJob, doubles.chunks());
    }
    joined.join(scale, exchange == null ? own : exchange.all(own));
  }

  private void sumFloats(int worker, int chunk) {
    Scratch own = scratch[worker];
    int end = Math.min(floats.count, (chunk + 1) * LEAVES_PER_CHUNK);
    for (int leaf = chunk * LEAVES_PER_CHUNK; leaf < end; leaf++) {
      int n = floats.load(floats.entryOf(leaf), leaf, own.floats, own.stored);
      own.floatSum.leaf(own.floats, n);
      floatSums[leaf] = own.floatSum.sum;
      floats.exponents[leaf] = own.floatSum.exponent;
    }
  }

  private void sumDoubles(int worker, int chunk) {
    Scratch own = scratch[worker];
    int end = Math.min(doubles.count, (chunk + 1) * LEAVES_PER_CHUNK);
    for (int leaf = chunk * LEAVES_PER_CHUNK; leaf < end; leaf++) {
      int n = doubles.load(doubles.entryOf(leaf), leaf, own.doubles, own.stored);
      own.doubleSum.leaf(own.doubles, n);
      doubleSums[leaf] = own.doubleSum.sum;
      doubles.exponents[leaf] = own.doubleSum.exponent;
    }
  }
}
