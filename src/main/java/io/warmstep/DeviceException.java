package io.warmstep;

/**
 * Thrown if a device fails. {@link DeviceLostException}, {@link OutOfDeviceMemoryException} and
 * {@link KernelBuildException} are specific failures; any other failed driver call throws this one.
 * The message names the call, the device, the size if there is one and the driver's error code.
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
