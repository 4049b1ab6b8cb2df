package io.warmstep.testkit;

import io.warmstep.ElementType;
import java.util.List;

/** What adaptive clipping multiplies a tensor's gradient by, from its definition. */
public final class ReferenceClip {
  private ReferenceClip() {}

  /**
   * The factor, in the arithmetic of the parameter.
   *
   * @param parameter as it is stored
   * @param gradient as it is in memory
   * @param scale what that is multiplied by, clipping by norm included, and no power of two beyond
   *     float32
   */
  public static double factor(
      ElementType type,
      double clip,
      double eps,
      double[] parameter,
      double[] gradient,
      double scale) {
    Arithmetic a = Arithmetic.of(type);
    ElementType arithmetic = type.arithmetic();
    double p = ReferenceNorm.of(arithmetic, List.of(parameter));
    double g = a.times(scale, ReferenceNorm.of(arithmetic, List.of(gradient)));
    double least = a.round(eps);
    double bound = a.times(a.round(clip), Double.isNaN(p) || p > least ? p : least);
    if (Double.isNaN(g) || Double.isNaN(bound) || g <= bound) {
      return 1;
    }
    double divisor = a.round(1e-6) > g ? a.round(1e-6) : g;
    return a.over(bound, divisor);
  }

  /** The product of factors as a step forms it. */
  public static double product(ElementType type, double scale, double factor) {
    return Arithmetic.of(type).times(Arithmetic.of(type).round(scale), factor);
  }
}
