package io.warmstep;

/**
 * Thrown if an optimizer is called while another call is running: by a second thread, or from
 * within that call, as by a schedule. The rejected call changed nothing.
 */
public final class ConcurrentUseException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param operation what it called
   * @param running the call that the first thread is executing
   */
  public ConcurrentUseException(String operation, String running) {
    this(operation, running, false);
  }

  /**
   * Creates the exception.
   *
   * @param operation what was called
   * @param running the call that has not returned
   * @param isFromWithin whether the thread that is executing that call made this one
   */
  public ConcurrentUseException(String operation, String running, boolean isFromWithin) {
    super(
        isFromWithin
            ? operation
                + " was called from within "
                + running
                + ", as by a schedule or a rule that it uses: call it after "
                + running
                + " has returned"
            : operation
                + " was called while another thread is in "
                + running
                + ": use one optimizer from one thread at a time");
  }
}
