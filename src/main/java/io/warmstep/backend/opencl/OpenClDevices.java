package io.warmstep.backend.opencl;

import io.warmstep.BackendUnavailableException;
import io.warmstep.WarmstepException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jocl.CL;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/** The OpenCL devices of this machine. */
final class OpenClDevices {
  private static final int PLATFORM_NOT_FOUND = -1001;

  private OpenClDevices() {}

  /** The device to use; a driver or device that fails only leaves the choice to the others. */
  static DeviceInfo best() {
    List<String> failures = new ArrayList<>();
    return choose(all(failures), failures);
  }

  /**
   * All devices, as the drivers list them, usable or not.
   *
   * @param failures takes what went wrong with others
   */
  static List<DeviceInfo> all(List<String> failures) {
    List<DeviceInfo> found = new ArrayList<>();
    for (cl_platform_id platform : platforms()) {
      String name = name(platform);
      Optional<String> problem = SignalHandlers.problem(name);
      if (problem.isPresent()) {
        failures.add(name + ": " + problem.get());
        continue;
      }
      try {
        for (cl_device_id id : devices(platform)) {
          addDevice(id, found, failures);
        }
      } catch (WarmstepException e) {
        failures.add(name + ": " + e.getMessage());
      }
    }
    return found;
  }

  private static void addDevice(cl_device_id id, List<DeviceInfo> found, List<String> failures) {
    try {
      found.add(DeviceInfo.of(id, found.size()));
    } catch (WarmstepException e) {
      failures.add(e.getMessage());
    }
  }

  /**
   * Chooses among the usable devices: GPUs first, then those with memory of their own, then those
   * that are bit-exact, then those with more memory, then as the drivers list them.
   *
   * @param failures what went wrong with others, for the message if none is usable
   */
  static DeviceInfo choose(List<DeviceInfo> found, List<String> failures) {
    Optional<DeviceInfo> best =
        found.stream()
            .filter(DeviceInfo::isUsable)
            .min(
                Comparator.comparing((DeviceInfo device) -> !device.isAccelerator())
                    .thenComparing(DeviceInfo::sharesMemory)
                    .thenComparing(device -> !device.report().bitExact())
                    .thenComparing(Comparator.comparing(DeviceInfo::memoryBytes).reversed()));
    return best.orElseThrow(() -> new BackendUnavailableException(none(found, failures), null));
  }

  static String none(List<DeviceInfo> found, List<String> failures) {
    List<String> problems = new ArrayList<>(failures);
    found.forEach(device -> problems.add(device.name() + ": " + device.problem()));
    return problems.isEmpty()
        ? "the installed OpenCL drivers find no device: check that this user may use"
            + " the GPU, or install one that runs on the processor (Debian: apt-get"
            + " install pocl-opencl-icd)"
        : "no OpenCL device can be used: " + String.join("; ", problems);
  }

  private static String name(cl_platform_id platform) {
    try {
      return OpenCl.text(
          "clGetPlatformInfo",
          "a platform",
          (size, value, sizeOut) ->
              CL.clGetPlatformInfo(platform, CL.CL_PLATFORM_NAME, size, value, sizeOut));
    } catch (WarmstepException e) {
      return "a platform without a name";
    }
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
