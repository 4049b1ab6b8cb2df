package io.warmstep;

/** Thrown if a device does not have enough memory for an allocation; nothing was allocated. */
public final class OutOfDeviceMemoryException extends DeviceException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public OutOfDeviceMemoryException(String message, Throwable cause) {
    super(message, cause);
  }
}
