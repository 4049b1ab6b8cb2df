package io.warmstep.backend.opencl;

import io.warmstep.backend.BackendDevice;

/** OpenCL devices that work in another shape than their own. */
public final class OpenClTestDevices {
  private OpenClTestDevices() {}

  /** With work-groups as on a GPU; on a GPU, with the narrow vectors of a processor. */
  public static BackendDevice openInOtherShape() {
    DeviceInfo device = best();
    return open(
        device.isAccelerator()
            ? WorkShape.ofProcessor(8, 4)
            : WorkShape.ofGpu(device.maxWorkGroup()));
  }

  static BackendDevice open(WorkShape shape) {
    return OpenClDevice.open(best(), shape);
  }

  private static DeviceInfo best() {
    new OpenClBackend().report(); // loads JOCL
    return OpenClDevices.best();
  }
}
