package io.warmstep.collective;

/**
 * Thrown if workers do not agree: on the version, the token, parameters or rules, or the current
 * operation. The message names two workers that differ.
 */
public final class WorkersDifferException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message the workers, and how they differ
   */
  public WorkersDifferException(String message) {
    super(message, null);
  }
}
