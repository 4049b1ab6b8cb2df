package io.warmstep;

/**
 * Thrown if a device's compiler rejects a kernel; the message ends with the compiler's log, if
 * there is one.
 */
public final class KernelBuildException extends DeviceException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public KernelBuildException(String message, Throwable cause) {
    super(message, cause);
  }
}
