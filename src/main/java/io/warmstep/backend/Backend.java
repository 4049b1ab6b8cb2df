package io.warmstep.backend;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A kind of device. One instance for the life of the program; finding out what is there is cheap.
 * {@link java.util.ServiceLoader} finds the backends: a new one is named in module-info.java and in
 * META-INF/services.
 */
public interface Backend {
  /**
   * Name to ask for it by.
   *
   * @return a lower-case word
   */
  String name();

  /**
   * Where the backend stands among others when the fastest device is chosen.
   *
   * @return the greater, the earlier it is tried; the processor has 0
   */
  int preference();

  /**
   * Says whether a device can be opened and why not. Never throws.
   *
   * @return the report of the device that {@link DeviceOptions#PREFERRED} opens
   */
  DeviceReport report();

  /**
   * Says what each device is. Never throws.
   *
   * @return a report for each, by index, of those that cannot be used too; without any device, one
   *     that says why
   */
  List<DeviceReport> devices();

  /**
   * Whether its preferred device is separate from this machine's processor. False for an OpenCL
   * driver that runs on the processor.
   *
   * @return true only if the report says usable
   */
  default boolean isAccelerator() {
    return false;
  }

  /**
   * Opens a device.
   *
   * @param options which, and how
   * @return the device, to be closed by the caller
   * @throws io.warmstep.BackendUnavailableException with the cause, if there is none
   */
  BackendDevice open(DeviceOptions options);

  /**
   * Opens the device of handles that the caller keeps.
   *
   * @param context the driver's raw handle of a context
   * @param queue raw handle of a queue or stream in it
   * @return the device; closing it leaves both to the caller
   * @throws io.warmstep.BackendUnavailableException if the backend cannot be used
   * @throws IllegalArgumentException if the handles are none of the driver's, or of different
   *     contexts
   */
  default BackendDevice wrap(long context, long queue) {
    throw new UnsupportedOperationException(name() + " has no contexts and queues");
  }

  /**
   * The failure of asking for a device that is not there.
   *
   * @param index that was asked for
   * @return what to throw
   */
  default BackendUnavailableException noDevice(int index) {
    List<DeviceReport> devices = devices();
    String there =
        devices.get(0).index() < 0
            ? name() + " cannot be used: " + devices.get(0).reason()
            : "there is no device "
                + name()
                + ":"
                + index
                + ": this machine has "
                + devices.stream().map(DeviceReport::name).collect(Collectors.joining(", "));
    return new BackendUnavailableException(there, null);
  }
}
