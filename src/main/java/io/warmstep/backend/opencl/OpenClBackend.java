package io.warmstep.backend.opencl;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.natives.LoadFailure;
import io.warmstep.natives.PrivateNatives;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Any OpenCL 1.2 device, through JOCL. Devices are probed once. JOCL reports why it failed to load
 * only the first time, so the cause is kept.
 */
public final class OpenClBackend implements Backend {
  /** Name to ask for it by. */
  public static final String NAME = "opencl";

  private static final String VERSION = "2.0.6";

  private DeviceReport report;
  private boolean isAccelerator;
  private Throwable cause;

  /** The backend. */
  public OpenClBackend() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public synchronized DeviceReport report() {
    if (report == null) {
      try {
        PrivateNatives.initialize("org.jocl.CL", linuxLibrary());
        DeviceInfo device = OpenClDevices.best();
        isAccelerator = device.isAccelerator();
        report = device.report();
      } catch (Exception | LinkageError e) {
        cause = e;
        report = DeviceReport.unusable(NAME, reason(e));
      }
    }
    return report;
  }

  @Override
  public synchronized boolean isAccelerator() {
    return report().usable() && isAccelerator;
  }

  @Override
  public int preference() {
    return 100;
  }

  @Override
  public List<DeviceReport> devices() {
    DeviceReport preferred = report();
    if (!isLoaded()) {
      return List.of(preferred);
    }
    try {
      List<DeviceReport> devices =
          OpenClDevices.all(new ArrayList<>()).stream().map(DeviceInfo::report).toList();
      return devices.isEmpty() ? List.of(preferred) : devices;
    } catch (RuntimeException | LinkageError e) {
      return List.of(DeviceReport.unusable(NAME, reason(e)));
    }
  }

  /** Whether JOCL and a loader are there; no driver or device may be. */
  private synchronized boolean isLoaded() {
    return cause == null || cause instanceof BackendUnavailableException;
  }

  @Override
  public BackendDevice open(DeviceOptions options) {
    int index = options.index();
    if (index < 0) {
      checkUsable();
      return OpenClDevice.open(OpenClDevices.best());
    }
    List<DeviceReport> devices = devices();
    if (index >= devices.size() || devices.get(0).index() < 0) {
      throw noDevice(index);
    }
    if (!devices.get(index).usable()) {
      throw new BackendUnavailableException(
          devices.get(index).name() + " cannot be used: " + devices.get(index).reason(), cause);
    }
    return OpenClDevice.open(OpenClDevices.all(new ArrayList<>()).get(index));
  }

  @Override
  public BackendDevice wrap(long context, long queue) {
    report();
    if (!isLoaded()) {
      checkUsable();
    }
    return OpenClDevice.wrap(context, queue);
  }

  private void checkUsable() {
    if (!report().usable()) {
      throw new BackendUnavailableException("opencl cannot be used: " + report().reason(), cause);
    }
  }

  /** What JOCL extracts on Linux. */
  static String linuxLibrary() {
    String processor = System.getProperty("os.arch").equals("aarch64") ? "arm64" : "x86_64";
    return "lib/libJOCL_" + VERSION.replace('.', '_') + "-linux-" + processor + ".so";
  }

  static String reason(Throwable e) {
    if (e instanceof ClassNotFoundException) {
      return "JOCL is not "
          + (OpenClBackend.class.getModule().isNamed()
              ? "among the modules that Java was started with, add --add-modules jocl, or is not"
                  + " there"
              : "on the class path")
          + ": add org.jocl:jocl:"
          + VERSION;
    }
    if (LoadFailure.text(e).contains("Implementation library could not be loaded")) {
      return "there is no OpenCL loader, libOpenCL.so.1, on this machine: install it (Debian:"
          + " apt-get install ocl-icd-libopencl1) and a driver";
    }
    Optional<String> known = LoadFailure.reason(e, "JOCL");
    if (known.isPresent()) {
      return known.get();
    }
    if (e instanceof LinkageError || e instanceof UnsupportedOperationException) {
      return "JOCL's native library for "
          + System.getProperty("os.name")
          + " on "
          + System.getProperty("os.arch")
          + ", of org.jocl:jocl:"
          + VERSION
          + ", cannot be loaded; Java says: "
          + LoadFailure.innermost(e);
    }
    return LoadFailure.describe(e);
  }
}
