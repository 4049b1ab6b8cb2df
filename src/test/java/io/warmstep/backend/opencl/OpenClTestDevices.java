package io.warmstep.backend.opencl;

import io.warmstep.backend.BackendDevice;

/** OpenCL devices that work in another shape than their own. */
public final class OpenClTestDevices {
  private OpenClTestDevices() {}

  /** With work-groups as on a GPU, whatever the device. */
  public static BackendDevice openAsGpu() {
    return OpenClDevice.open(best(), Shape.ofGpu(best().maxWorkGroup()));
  }

  /** With the narrowest vectors of a processor. */
  public static BackendDevice openAsProcessor() {
    return OpenClDevice.open(best(), Shape.ofProcessor(8, 4));
  }

  private static DeviceInfo best() {
    new OpenClBackend().report(); // loads JOCL
    return Installed.best();
  }
}
