package io.warmstep.backend.opencl;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.LoadFailure;
import io.warmstep.backend.PrivateNatives;
import java.util.Optional;

/**
 * Any OpenCL 1.2 device, through JOCL. What is there is looked for once; where it fails, JOCL tells
 * the cause only the first time, so it is kept.
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
        DeviceInfo device = Installed.best();
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
  public BackendDevice open(int threads) {
    checkUsable();
    return OpenClDevice.open(Installed.best());
  }

  /**
   * Opens the device of a queue that the caller keeps.
   *
   * @param context raw cl_context
   * @param queue raw cl_command_queue of that context, in order
   * @return the device; closing it leaves context and queue to the caller
   * @throws BackendUnavailableException if OpenCL cannot be used
   * @throws IllegalArgumentException if the queue is of another context or out of order
   */
  public BackendDevice wrap(long context, long queue) {
    if (!report().usable() && !(cause instanceof BackendUnavailableException)) {
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
