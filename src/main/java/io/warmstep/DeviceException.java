package io.warmstep;

/**
 * A call of a device's driver failed for a reason that has no exception of its own. The message has
 * the call, the device, the size where there is one and the driver's code.
 */
public final class DeviceException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public DeviceException(String message, Throwable cause) {
    super(message, cause);
  }
}
