package io.warmstep.collective;

/**
 * An operation was not done within its time limit, since a worker hangs, has not come, or is on a
 * connection that is too slow or leads nowhere.
 */
public final class CollectiveTimeoutException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message which operation, and the workers that were waited for
   */
  public CollectiveTimeoutException(String message) {
    this(message, null);
  }

  /**
   * Creates the exception.
   *
   * @param message which operation, and the workers that were waited for
   * @param cause how the last attempt failed, or null
   */
  public CollectiveTimeoutException(String message, Throwable cause) {
    super(message, cause);
  }
}
