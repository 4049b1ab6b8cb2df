package io.warmstep;

/**
 * Describes a device, or says why a backend has no usable one.
 *
 * @param backend name of its backend, such as {@code cuda}
 * @param index which of the backend's devices it is, from 0; -1 if the backend has none, or if the
 *     device was opened with the caller's handles
 * @param usable whether it can be opened
 * @param device the device's own name, empty if there is none
 * @param driver driver or runtime and its version, empty if not usable
 * @param memoryBytes memory of the device, 0 if not usable
 * @param bitExact whether its results have the same bits as every other backend's
 * @param reason why it is not usable or not bit-exact, empty otherwise
 * @param uuid the driver's globally unique identifier, such as {@code
 *     GPU-8932f937-d72c-4106-c12f-20bd9faed9f6}; empty if there is none
 * @param note a known performance problem and its remedy, or empty
 */
public record DeviceReport(
    String backend,
    int index,
    boolean usable,
    String device,
    String driver,
    long memoryBytes,
    boolean bitExact,
    String reason,
    String uuid,
    String note) {
  /**
   * The report of a backend that has no usable device.
   *
   * @param backend its name
   * @param reason why, and what to do
   * @return the report
   */
  public static DeviceReport unusable(String backend, String reason) {
    return new DeviceReport(backend, -1, false, "", "", 0, false, reason, "", "");
  }

  /**
   * The name by which {@link Devices#require} opens the device.
   *
   * @return the backend and the index, such as {@code cuda:1}; only the backend if there is no
   *     index
   */
  public String name() {
    return index < 0 ? backend : backend + ":" + index;
  }

  DeviceReport inexact(String why) {
    return new DeviceReport(
        backend, index, usable, device, driver, memoryBytes, false, why, uuid, note);
  }
}
