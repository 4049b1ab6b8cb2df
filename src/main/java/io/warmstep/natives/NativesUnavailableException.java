package io.warmstep.natives;

/** A native library cannot be loaded for a reason that was found, and that the message gives. */
public final class NativesUnavailableException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure.
   *
   * @param message why, and what to do
   * @param cause the failure underneath, or null
   */
  public NativesUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
