package io.warmstep;

/**
 * A step broke off on the device, so parameters and state may be partly updated. The optimizer
 * refuses further steps.
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
