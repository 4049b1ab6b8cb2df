package io.warmstep.backend;

/** A prepared step. Used by one thread at a time. */
public interface StepProgram extends AutoCloseable {
  /**
   * Runs one step. Allocates nothing.
   *
   * @param scalars for each group of the plan, what its rule's {@code scalars} wrote
   * @param unscale what every gradient is multiplied by first, the inverse of the loss scale
   * @return false if the plan skips steps with non-finite gradients and this was one; then nothing
   *     changed but that gradients were set to zero if the plan says so
   */
  boolean run(double[][] scalars, double unscale);

  /**
   * Global norm of the unscaled gradients of the last run, before clipping.
   *
   * @return the norm, or NaN if the plan does not need it or nothing has run
   */
  double gradientNorm();

  /** Sets every gradient to zero. */
  void zeroGradients();

  /** Releases what was prepared. A second call does nothing. */
  @Override
  void close();
}
