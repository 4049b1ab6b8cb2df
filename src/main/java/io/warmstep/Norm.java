package io.warmstep;

/**
 * A norm of all gradients together, by which they are clipped: PyTorch's {@code norm_type} of 2, 1
 * and infinity. Each has the same bits on every device, as all add by the same tree.
 */
public enum Norm {
  /** The root of the sum of squares. */
  L2,
  /** The sum of magnitudes. */
  L1,
  /** The largest magnitude. */
  MAX
}
