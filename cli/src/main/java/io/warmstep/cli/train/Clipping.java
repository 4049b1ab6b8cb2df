package io.warmstep.cli.train;

import io.warmstep.OptimizerBuilder;

/**
 * How gradients are clipped.
 *
 * @param norm the largest norm of all gradients together, or 0 for none
 * @param adaptive the largest norm of a tensor's gradient as a share of the tensor's, or 0 for none
 */
public record Clipping(double norm, double adaptive) {
  /** Not at all. */
  public static final Clipping NONE = new Clipping(0, 0);

  /** Sets it in an optimizer. */
  void set(OptimizerBuilder builder) {
    if (norm > 0) {
      builder.clipNorm(norm);
    }
    if (adaptive > 0) {
      builder.adaptiveClip(adaptive);
    }
  }
}
