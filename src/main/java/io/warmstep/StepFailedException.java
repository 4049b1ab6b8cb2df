package io.warmstep;

/**
 * Thrown if a step failed midway on the device, so that parameters and state may be partly updated.
 * The optimizer rejects further steps.
 */
public final class StepFailedException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public StepFailedException(String message, Throwable cause) {
    super(message, cause);
  }
}
