package io.warmstep.backend.cpu;

import io.warmstep.Norm;
import io.warmstep.backend.SumKind;
import io.warmstep.step.GradientScale;
import io.warmstep.step.LeafExchange;
import io.warmstep.step.StepOptions;

/**
 * What follows from the leaves of a model's gradients: their global norm, whether all are finite
 * and what they are multiplied by to be clipped. A backend whose leaves go through the host uses it
 * too.
 */
public final class JoinedNorm {
  private final StepOptions options;
  private final Norm kind;
  private final FloatTreeSum floatSum;
  private final DoubleTreeSum doubleSum;
  private boolean hasDoubles;
  private boolean isFinite;
  private double norm = Double.NaN;

  /**
   * Makes room to join leaves in.
   *
   * @param options of the step, with the norm and its bound
   */
  public JoinedNorm(StepOptions options) {
    this.options = options;
    this.kind = options.norm();
    this.floatSum = new FloatTreeSum(SumKind.of(kind));
    this.doubleSum = new DoubleTreeSum(SumKind.of(kind));
  }

  /**
   * Joins the leaves of a whole model. Allocates nothing.
   *
   * @param scale what gradients are multiplied by first
   * @param leaves in the order of the parameters; overwritten
   */
  public void join(GradientScale scale, LeafExchange.Leaves leaves) {
    int floats = leaves.floatSums().length;
    int doubles = leaves.doubleSums().length;
    hasDoubles = doubles > 0;
    floatSum.combine(leaves.floatSums(), leaves.floatExponents(), 0, floats);
    float root = kind == Norm.L2 ? (float) Math.sqrt(floatSum.sum) : floatSum.sum;
    isFinite = Float.isFinite(floatSum.sum);
    if (!hasDoubles) {
      norm = Math.scalb(root * scale.mantissa(), floatSum.exponent + scale.exponent());
      return;
    }
    double floatNorm = Math.scalb(root, floatSum.exponent);
    doubleSum.combine(leaves.doubleSums(), leaves.doubleExponents(), 0, doubles);
    double doubleRoot = kind == Norm.L2 ? Math.sqrt(doubleSum.sum) : doubleSum.sum;
    double doubleNorm = Math.scalb(doubleRoot, doubleSum.exponent);
    isFinite &= Double.isFinite(doubleSum.sum);
    norm = (floats == 0 ? doubleNorm : joined(floatNorm, doubleNorm)) * scale.scale();
  }

  /** The norm of both together. */
  private double joined(double a, double b) {
    return switch (kind) {
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

  /**
   * Whether any gradient is of float64 arithmetic; then the norm and the factor are computed in
   * that.
   *
   * @return of the last leaves, false before the first
   */
  public boolean hasDoubles() {
    return hasDoubles;
  }

  /**
   * Whether all gradients are finite; the norm itself can be beyond the type's range.
   *
   * @return of the last leaves
   */
  public boolean isFinite() {
    return isFinite;
  }

  /**
   * The norm of the scaled gradients: in float32 unless there are float64 ones.
   *
   * @return of the last leaves, or NaN before the first
   */
  public double norm() {
    return norm;
  }

  /**
   * What clipping multiplies the scaled gradients by.
   *
   * @return at most 1, and 1 where there is no bound
   */
  public double clipFactor() {
    if (!options.clipsByNorm()) {
      return 1;
    }
    return hasDoubles
        ? Math.min(1.0, options.clipNorm() / (norm + options.clipEps()))
        : Math.min(1f, (float) options.clipNorm() / ((float) norm + (float) options.clipEps()));
  }
}
