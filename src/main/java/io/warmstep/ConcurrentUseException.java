package io.warmstep;

/** Two threads used one optimizer at the same time; the second call changed nothing. */
public final class ConcurrentUseException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * A second thread's call.
   *
   * @param operation what it called
   * @param running what the first thread is in
   */
  public ConcurrentUseException(String operation, String running) {
    super(
        operation
            + " was called while another thread is in "
            + running
            + ": use one optimizer from one thread at a time");
  }
}
