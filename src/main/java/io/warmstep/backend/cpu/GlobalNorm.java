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
  private final Norm norm;
  private final Leaves floats;
  private final Leaves doubles;
  private final Scratch[] scratch;
  private final WorkerPool.Job floatJob = this::sumFloats;
  private final WorkerPool.Job doubleJob = this::sumDoubles;
  private final float[] floatSums;
  private final double[] doubleSums;
  private final LeafExchange exchange;
  private boolean hasDoubles;
  private boolean isFinite;

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
    this.norm = plan.options().norm();
    floats = new Leaves(plan.normOrder(ElementType.FLOAT32));
    doubles = new Leaves(plan.normOrder(ElementType.FLOAT64));
    exchange = plan.options().leafExchange();
    hasDoubles = doubles.count > 0;
    floatSums = new float[floats.count];
    doubleSums = new double[doubles.count];
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

  /** Whether any gradient is of float64 arithmetic; then the clip factor is computed in float64. */
  boolean hasDoubles() {
    return hasDoubles;
  }

  /** The norm of the scaled gradients: in float32 unless there are float64 ones. */
  double compute(GradientScale scale) {
    pool.run(floatJob, floats.chunks());
    if (doubles.count > 0) {
      pool.run(doubleJob, doubles.chunks());
    }
    if (exchange == null) {
      return join(scale, floatSums, floats.exponents, doubleSums, doubles.exponents);
    }
    LeafExchange.Leaves all =
        exchange.all(
            new LeafExchange.Leaves(floatSums, floats.exponents, doubleSums, doubles.exponents));
    hasDoubles = all.doubleSums().length > 0;
    return join(
        scale, all.floatSums(), all.floatExponents(), all.doubleSums(), all.doubleExponents());
  }

  /** Combines the leaves of the whole model, which are overwritten. */
  private double join(
      GradientScale scale,
      float[] floatLeaves,
      int[] floatExponents,
      double[] doubleLeaves,
      int[] doubleExponents) {
    FloatTreeSum floatSum = scratch[0].floatSum;
    floatSum.combine(floatLeaves, floatExponents, 0, floatLeaves.length);
    float root = norm == Norm.L2 ? (float) Math.sqrt(floatSum.sum) : floatSum.sum;
    isFinite = Float.isFinite(floatSum.sum);
    if (!hasDoubles()) {
      return Math.scalb(root * scale.mantissa(), floatSum.exponent + scale.exponent());
    }
    double floatNorm = Math.scalb(root, floatSum.exponent);
    DoubleTreeSum doubleSum = scratch[0].doubleSum;
    doubleSum.combine(doubleLeaves, doubleExponents, 0, doubleLeaves.length);
    double doubleRoot = norm == Norm.L2 ? Math.sqrt(doubleSum.sum) : doubleSum.sum;
    double doubleNorm = Math.scalb(doubleRoot, doubleSum.exponent);
    isFinite &= Double.isFinite(doubleSum.sum);
    double raw = floatLeaves.length == 0 ? doubleNorm : joined(floatNorm, doubleNorm);
    return raw * scale.scale();
  }

  /** Whether the last norm's gradients all were; the norm itself can be beyond the type's range. */
  boolean isFinite() {
    return isFinite;
  }

  /** The norm of both together. */
  private double joined(double a, double b) {
    return switch (norm) {
      case L2 -> hypotenuse(a, b);
      case L1 -> a + b;
      case MAX -> Math.max(a, b);
    };
  }

  private static double hypotenuse(double a, double b) {
    double larger = Math.max(a, b);
    if (larger == 0 || !(larger <= Double.MAX_VALUE)) {
      return larger;
    }
    double ratio = Math.min(a, b) / larger;
    return larger * Math.sqrt(Math.fma(ratio, ratio, 1.0));
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
