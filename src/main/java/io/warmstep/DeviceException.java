package io.warmstep;

/**
 * A device failed. {@link DeviceLostException}, {@link OutOfDeviceMemoryException} and {@link
 * KernelBuildException} are failures with a name of their own; any other failed call of a driver is
 * this. The message has the call, the device, the size where there is one and the driver's code.
 */
public class DeviceException extends WarmstepException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message what failed, with which values, and what to do
   * @param cause the failure underneath, or null
   */
  public DeviceException(String message, Throwable cause) {
    super(message, cause);
  }
}
