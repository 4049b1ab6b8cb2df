package io.warmstep.collective;

/**
 * Workers do not agree: in their version, their token, their parameters or rules, or in what they
 * do together at the moment. The message names two that differ.
 */
public final class WorkersDifferException extends CollectiveException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message which workers, and in what
   */
  public WorkersDifferException(String message) {
    super(message, null);
  }
}
