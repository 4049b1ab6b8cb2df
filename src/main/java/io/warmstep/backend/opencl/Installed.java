package io.warmstep.backend.opencl;

import io.warmstep.BackendUnavailableException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jocl.CL;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/** The OpenCL devices of this machine. */
final class Installed {
  private static final int PLATFORM_NOT_FOUND = -1001;

  private Installed() {}

  /**
   * The device to use: GPUs first, then those that are bit-exact, then as the drivers list them.
   */
  static DeviceInfo best() {
    List<String> unusable = new ArrayList<>();
    List<DeviceInfo> devices = new ArrayList<>();
    for (cl_platform_id platform : platforms()) {
      for (cl_device_id id : devices(platform)) {
        DeviceInfo device = DeviceInfo.of(id);
        if (device.isUsable()) {
          devices.add(device);
        } else {
          unusable.add(device.name());
        }
      }
    }
    Optional<DeviceInfo> best =
        devices.stream()
            .min(
                Comparator.comparing((DeviceInfo device) -> !device.isAccelerator())
                    .thenComparing(device -> !device.report().bitExact()));
    return best.orElseThrow(
        () ->
            new BackendUnavailableException(
                unusable.isEmpty()
                    ? "the installed OpenCL drivers find no device: check that this user may use"
                        + " the GPU, or install one that runs on the processor (Debian: apt-get"
                        + " install pocl-opencl-icd)"
                    : "no OpenCL device is ready with a compiler: found " + unusable,
                null));
  }

  static cl_platform_id[] platforms() {
    int[] count = new int[1];
    int code = OpenCl.code(() -> CL.clGetPlatformIDs(0, null, count));
    if (code == PLATFORM_NOT_FOUND || (code == CL.CL_SUCCESS && count[0] == 0)) {
      String vendors = System.getenv("OCL_ICD_VENDORS");
      throw new BackendUnavailableException(
          "no OpenCL driver is registered in "
              + (vendors == null ? "/etc/OpenCL/vendors" : vendors + " (OCL_ICD_VENDORS)")
              + ": install the GPU vendor's, or one that runs on the processor (Debian: apt-get"
              + " install pocl-opencl-icd)",
          null);
    }
    OpenCl.check(code, "clGetPlatformIDs", "this machine");
    cl_platform_id[] platforms = new cl_platform_id[count[0]];
    OpenCl.check(
        () -> CL.clGetPlatformIDs(platforms.length, platforms, null),
        "clGetPlatformIDs",
        "this machine");
    return platforms;
  }

  private static cl_device_id[] devices(cl_platform_id platform) {
    int[] count = new int[1];
    int code =
        OpenCl.code(() -> CL.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, 0, null, count));
    if (code == CL.CL_DEVICE_NOT_FOUND) {
      return new cl_device_id[0];
    }
    OpenCl.check(code, "clGetDeviceIDs", "this machine");
    cl_device_id[] devices = new cl_device_id[count[0]];
    OpenCl.check(
        () -> CL.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, devices.length, devices, null),
        "clGetDeviceIDs",
        "this machine");
    return devices;
  }
}
