package io.warmstep;

/**
 * Steps cannot be captured as things stand, or a captured step is not of the present optimizer any
 * more. Its message says why and what to do. The call changed nothing.
 */
public final class CaptureRefusedException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message why, and what to do
   */
  public CaptureRefusedException(String message) {
    super(message);
  }
}
