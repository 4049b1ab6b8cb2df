package io.warmstep;

/**
 * Follows an optimizer while it trains; see {@link OptimizerBuilder#listener}. {@link StepLog}
 * writes the reports to a file.
 */
@FunctionalInterface
public interface StepListener {
  /**
   * Receives the report of a step that is done, or was skipped for a non-finite gradient: in the
   * order of the steps, on a GPU some steps later. Called by the thread that called {@link
   * Optimizer#step()}, {@link Optimizer#flushReports} or {@link Optimizer#close}, before that call
   * returns. An exception reaches that method's caller once all reports that are there were
   * delivered, and the step has happened all the same. The optimizer itself cannot be stepped or
   * closed from here.
   *
   * @param report what is known of the step
   */
  void onStep(StepReport report);
}
