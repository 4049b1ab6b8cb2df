package io.warmstep;

/**
 * Follows an optimizer while it trains; see {@link OptimizerBuilder#listener}. {@link StepLog}
 * writes the reports to a file.
 */
@FunctionalInterface
public interface StepListener {
  /**
   * Receives the report of a step that has finished, or was skipped because of a non-finite
   * gradient: in the order of the steps, on a GPU some steps later. Called by the thread that
   * called {@link Optimizer#step()}, {@link Optimizer#flushReports} or {@link Optimizer#close},
   * before that call returns; of a sharded optimizer, before {@link ShardedOptimizer#step()}
   * returns. An exception is rethrown to that method's caller after all available reports were
   * delivered; the step has still happened. The optimizer itself cannot be stepped or closed from
   * here.
   *
   * @param report the step's numbers
   */
  void onStep(StepReport report);
}
