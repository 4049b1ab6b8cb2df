package io.warmstep.collective;

/**
 * Thrown if an operation did not finish within its time limit, because a worker hangs, has not
 * joined, or has a connection that is too slow or dead.
 */
public final class CollectiveTimeoutException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message the operation, and the workers that it waited for
   */
  public CollectiveTimeoutException(String message) {
    this(message, null);
  }

  /**
   * Creates the exception.
   *
   * @param message the operation, and the workers that it waited for
   * @param cause the failure of the last attempt, or null
   */
  public CollectiveTimeoutException(String message, Throwable cause) {
    super(message, cause);
  }
}
