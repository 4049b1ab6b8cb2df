package io.warmstep.collective;

import io.warmstep.WarmstepException;

/**
 * Thrown if a collective operation failed. Every worker gets such an exception within the time
 * limit, and none can continue with this {@link Collective}: create a new one, and restore a
 * checkpoint.
 */
public class CollectiveException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, and at which worker
   * @param cause the cause, or null
   */
  public CollectiveException(String message, Throwable cause) {
    super(message, cause);
  }
}
