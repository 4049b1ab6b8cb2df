package io.warmstep;

/**
 * Follows an optimizer while it trains; see {@link Optimizer.Builder#listener}. {@link StepLog}
 * writes what it hears to a file.
 */
@FunctionalInterface
public interface StepListener {
  /**
   * A step is done, or was skipped for a non-finite gradient. Called in the thread that called
   * {@link Optimizer#step()}, before that call returns; an exception reaches its caller, and the
   * step has happened all the same. The optimizer itself cannot be stepped or closed from here.
   *
   * @param report what is known of the step
   */
  void onStep(StepReport report);
}
