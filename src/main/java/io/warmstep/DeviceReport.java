package io.warmstep;

/**
 * What a backend found on this machine.
 *
 * @param backend name to ask for it by, such as {@code cpu}
 * @param usable whether a device can be opened
 * @param device the device's own name, empty if not usable
 * @param driver driver or runtime and its version, empty if not usable
 * @param memoryBytes memory that the device offers, 0 if not usable
 * @param bitExact whether its results have the same bits as every other backend's
 * @param reason why it is not usable or not bit-exact, empty otherwise
 */
public record DeviceReport(
    String backend,
    boolean usable,
    String device,
    String driver,
    long memoryBytes,
    boolean bitExact,
    String reason) {
  /**
   * The report of a backend that cannot be used.
   *
   * @param backend its name
   * @param reason why, and what to do
   * @return the report
   */
  public static DeviceReport unusable(String backend, String reason) {
    return new DeviceReport(backend, false, "", "", 0, false, reason);
  }
}
