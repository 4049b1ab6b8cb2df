package io.warmstep.collective;

/** Thrown if a worker ended, was closed, failed, or lost its connection. */
public final class WorkerLostException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message the worker, and what is known about the loss
   * @param cause the cause, or null
   */
  public WorkerLostException(String message, Throwable cause) {
    super(message, cause);
  }
}
