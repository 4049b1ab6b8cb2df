package io.warmstep;

/**
 * Thrown if a device stopped working: it faulted, was reset or went away. Nothing on it can be read
 * any more; a new process can usually open it again.
 */
public final class DeviceLostException extends DeviceException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public DeviceLostException(String message, Throwable cause) {
    super(message, cause);
  }
}
