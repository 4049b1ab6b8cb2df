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
  private static final int LEAVES_PER_CHUNK = 16;

  private final WorkerPool pool;
  private final Norm norm;
  private final Leaves floats;
  private final Leaves doubles;
  private final LeafSum[] sums; // of each thread
  private final WorkerPool.Job floatJob = this::sumFloats;
  private final WorkerPool.Job doubleJob = this::sumDoubles;
  private final LeafExchange exchange;
  private boolean hasDoubles;
  private boolean isFinite;

  /** The gradients of one arithmetic type, cut into leaves. */
  private static final class Leaves {
    List<StepPlan.Entry> entries;
    final LeafIndex index;
    final float[] floatSums;
    final double[] doubleSums;
    final int[] exponents;
    private final boolean areDouble;

    Leaves(List<StepPlan.Entry> entries, boolean areDouble) {
      this.entries = entries;
      this.areDouble = areDouble;
      this.index = new LeafIndex(entries.stream().mapToLong(StepPlan.Entry::length).toArray());
      this.floatSums = new float[areDouble ? 0 : index.count()];
      this.doubleSums = new double[areDouble ? index.count() : 0];
      this.exponents = new int[index.count()];
    }

    void prepare(LeafSum sum) {
      entries.forEach(entry -> sum.prepare((CpuMemory) entry.gradients().memory()));
    }

    int chunks() {
      return (index.count() + LEAVES_PER_CHUNK - 1) / LEAVES_PER_CHUNK;
    }

    /** Adds a chunk's leaves up. */
    void add(int chunk, LeafSum sum) {
      int end = Math.min(index.count(), (chunk + 1) * LEAVES_PER_CHUNK);
      for (int leaf = chunk * LEAVES_PER_CHUNK; leaf < end; leaf++) {
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
    this.norm = plan.options().norm();
    floats = new Leaves(plan.normOrder(ElementType.FLOAT32), false);
    doubles = new Leaves(plan.normOrder(ElementType.FLOAT64), true);
    exchange = plan.options().leafExchange();
    hasDoubles = doubles.index.count() > 0;
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

  /** Whether any gradient is of float64 arithmetic; then the clip factor is computed in float64. */
  boolean hasDoubles() {
    return hasDoubles;
  }

  /** The norm of the scaled gradients: in float32 unless there are float64 ones. */
  double compute(GradientScale scale) {
    pool.run(floatJob, floats.chunks());
    if (doubles.index.count() > 0) {
      pool.run(doubleJob, doubles.chunks());
    }
    if (exchange == null) {
      return join(scale, floats.floatSums, floats.exponents, doubles.doubleSums, doubles.exponents);
    }
    LeafExchange.Leaves all =
        exchange.all(
            new LeafExchange.Leaves(
                floats.floatSums, floats.exponents, doubles.doubleSums, doubles.exponents));
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
    FloatTreeSum floatSum = sums[0].floats;
    floatSum.combine(floatLeaves, floatExponents, 0, floatLeaves.length);
    float root = norm == Norm.L2 ? (float) Math.sqrt(floatSum.sum) : floatSum.sum;
    isFinite = Float.isFinite(floatSum.sum);
    if (!hasDoubles()) {
      return Math.scalb(root * scale.mantissa(), floatSum.exponent + scale.exponent());
    }
    double floatNorm = Math.scalb(root, floatSum.exponent);
    DoubleTreeSum doubleSum = sums[0].doubles;
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
    floats.add(chunk, sums[worker]);
  }

  private void sumDoubles(int worker, int chunk) {
    doubles.add(chunk, sums[worker]);
  }
}
