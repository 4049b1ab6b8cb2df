package io.warmstep;

/**
 * A failure that is not the caller's argument: a backend that cannot be used, memory that cannot be
 * had, a device that failed. Wrong arguments and wrong order of calls are {@link
 * IllegalArgumentException} and {@link IllegalStateException}.
 */
public class WarmstepException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public WarmstepException(String message, Throwable cause) {
    super(message, cause);
  }
}
