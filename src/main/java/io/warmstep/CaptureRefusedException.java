package io.warmstep;

/**
 * Thrown if steps cannot be captured, or a captured step no longer matches its optimizer. The
 * message says why and what to do. The call changed nothing.
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
