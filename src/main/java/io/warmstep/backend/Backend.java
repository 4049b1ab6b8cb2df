package io.warmstep.backend;

import io.warmstep.DeviceReport;

/**
 * A kind of device. One instance for the life of the program; finding out what is there is cheap.
 */
public interface Backend {
  /**
   * Name to ask for it by.
   *
   * @return a lower-case word
   */
  String name();

  /**
   * Says whether a device can be opened and why not. Never throws.
   *
   * @return the report
   */
  DeviceReport report();

  /**
   * Whether its device is another than this machine's processor, which is then preferred to it. An
   * OpenCL driver that runs on the processor is none.
   *
   * @return true only if the report says usable
   */
  default boolean isAccelerator() {
    return false;
  }

  /**
   * Opens a device.
   *
   * @param threads how many threads a device that runs on this machine's processor uses, 0 for all;
   *     others ignore it
   * @return the device, to be closed by the caller
   * @throws io.warmstep.BackendUnavailableException with the cause, if there is none
   */
  BackendDevice open(int threads);
}
