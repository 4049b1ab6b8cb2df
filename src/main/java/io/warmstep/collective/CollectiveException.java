package io.warmstep.collective;

import io.warmstep.WarmstepException;

/**
 * Something that workers do together failed. The same happens, within the time limit, to all
 * workers, and none of them can go on with this {@link Collective}: make a new one, and restore a
 * checkpoint.
 */
public class CollectiveException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, and at which worker
   * @param cause what led to it, or null
   */
  public CollectiveException(String message, Throwable cause) {
    super(message, cause);
  }
}
