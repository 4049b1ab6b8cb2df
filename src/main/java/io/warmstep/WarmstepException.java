package io.warmstep;

/**
 * A failure other than a wrong argument: a backend that is unavailable, memory that cannot be
 * allocated, a device that failed. Wrong arguments and calls in the wrong order throw {@link
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
