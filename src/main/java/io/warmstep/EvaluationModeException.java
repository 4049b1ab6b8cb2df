package io.warmstep;

/**
 * Thrown if an operation needs the training weights while the parameters hold the evaluation
 * weights: call {@link Optimizer#train()} first. The call changed nothing.
 */
public final class EvaluationModeException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param operation what was called
   */
  public EvaluationModeException(String operation) {
    super(
        operation
            + " was called in evaluation mode, in which the parameters hold the weights to evaluate"
            + " with: call train() first");
  }
}
