package io.warmstep.backend;

/**
 * Which device of a backend is opened, and how.
 *
 * @param index of the device among the backend's, from 0; -1 for the one that the backend prefers
 * @param threads how many threads a device uses that runs on this machine's processor, 0 for all;
 *     others ignore it
 */
public record DeviceOptions(int index, int threads) {
  /** The device that the backend prefers, as it is. */
  public static final DeviceOptions PREFERRED = new DeviceOptions(-1, 0);

  /**
   * One of several devices.
   *
   * @param index of the device
   * @return the options
   */
  public static DeviceOptions of(int index) {
    return new DeviceOptions(index, 0);
  }
}
