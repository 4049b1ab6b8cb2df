package io.warmstep;

/** Thrown if a backend that was requested by name cannot be used on this machine. */
public final class BackendUnavailableException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public BackendUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
