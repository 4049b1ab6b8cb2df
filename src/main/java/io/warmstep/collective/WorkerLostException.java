package io.warmstep.collective;

/** A worker has ended, was closed, failed, or its connection broke. */
public final class WorkerLostException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message which worker, and what is known of its end
   * @param cause what led to it, or null
   */
  public WorkerLostException(String message, Throwable cause) {
    super(message, cause);
  }
}
