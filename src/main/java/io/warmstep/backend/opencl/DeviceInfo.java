package io.warmstep.backend.opencl;

import io.warmstep.DeviceReport;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.cl_device_id;

/**
 * What a device says of itself.
 *
 * @param id its handle
 * @param index its place among the devices of this machine, -1 if the caller lent it
 * @param name its name
 * @param driver platform and version
 * @param memoryBytes all of its memory
 * @param isAccelerator whether it is another than the processor
 * @param sharesMemory whether its memory is the processor's, as with a GPU in its package
 * @param problem why it cannot be used and what to do, or nothing if it can
 * @param hasDouble whether it computes in float64
 * @param floatConfig what float32 arithmetic keeps to, CL_FP_ flags
 * @param floatLanes elements of its native float32 vectors
 * @param doubleLanes elements of its native float64 vectors, 0 if it has none
 * @param maxWorkGroup work-items of the largest work-group
 * @param maxParameterBytes bytes of a kernel's arguments
 */
record DeviceInfo(
    cl_device_id id,
    int index,
    String name,
    String driver,
    long memoryBytes,
    boolean isAccelerator,
    boolean sharesMemory,
    String problem,
    boolean hasDouble,
    long floatConfig,
    int floatLanes,
    int doubleLanes,
    int maxWorkGroup,
    int maxParameterBytes) {
  private static final Pattern VERSION = Pattern.compile("OpenCL (\\d+)\\.(\\d+).*");

  @SuppressWarnings("deprecation") // of OpenCL 1.2; what came after has no successor to it
  static DeviceInfo of(cl_device_id id, int index) {
    String name = text(id, CL.CL_DEVICE_NAME, "a device");
    String version = text(id, CL.CL_DEVICE_VERSION, name);
    String driver = version + ", driver " + text(id, CL.CL_DRIVER_VERSION, name);
    String problem =
        problem(
            version,
            number(id, CL.CL_DEVICE_AVAILABLE, name) != 0,
            number(id, CL.CL_DEVICE_COMPILER_AVAILABLE, name) != 0);
    if (!problem.isEmpty()) { // an old device does not know all of the rest
      return new DeviceInfo(
          id, index, name, driver, 0, false, false, problem, false, 0, 0, 0, 0, 0);
    }
    long type = number(id, CL.CL_DEVICE_TYPE, name);
    return new DeviceInfo(
        id,
        index,
        name,
        driver,
        number(id, CL.CL_DEVICE_GLOBAL_MEM_SIZE, name),
        (type & (CL.CL_DEVICE_TYPE_GPU | CL.CL_DEVICE_TYPE_ACCELERATOR)) != 0,
        number(id, CL.CL_DEVICE_HOST_UNIFIED_MEMORY, name) != 0,
        problem,
        number(id, CL.CL_DEVICE_DOUBLE_FP_CONFIG, name) != 0,
        number(id, CL.CL_DEVICE_SINGLE_FP_CONFIG, name),
        integer(id, CL.CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, name),
        integer(id, CL.CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, name),
        integer(id, CL.CL_DEVICE_MAX_WORK_GROUP_SIZE, name),
        integer(id, CL.CL_DEVICE_MAX_PARAMETER_SIZE, name));
  }

  /** Why a device cannot be used, or nothing. */
  static String problem(String version, boolean isAvailable, boolean hasCompiler) {
    Matcher number = VERSION.matcher(version);
    boolean isNew =
        number.matches()
            && (Integer.parseInt(number.group(1)) > 1 || Integer.parseInt(number.group(2)) >= 2);
    if (!isNew) {
      return "it has \"" + version + "\", needs OpenCL 1.2 or later: update its driver";
    }
    if (!isAvailable) {
      return "its driver says that it is not available: another program may have it for itself";
    }
    return hasCompiler ? "" : "its driver has no compiler: install the full one";
  }

  boolean isUsable() {
    return problem.isEmpty();
  }

  /** Whether float32 division and square root are correctly rounded on request. */
  boolean roundsCorrectly() {
    return (floatConfig & CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
  }

  DeviceReport report() {
    if (!isUsable()) {
      return new DeviceReport(
          OpenClBackend.NAME, index, false, name, driver, 0, false, problem, "", "");
    }
    String reason =
        Stream.of(
                lacks(
                    CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT,
                    "does not round float32 division and square root correctly"),
                lacks(CL.CL_FP_DENORM, "does not keep float32 denormals"),
                lacks(CL.CL_FP_ROUND_TO_NEAREST, "does not round float32 to nearest"),
                lacks(CL.CL_FP_INF_NAN, "has no float32 infinities and NaN"))
            .filter(what -> !what.isEmpty())
            .collect(Collectors.joining(" and "));
    return new DeviceReport(
        OpenClBackend.NAME,
        index,
        true,
        name,
        driver,
        memoryBytes,
        reason.isEmpty(),
        reason.isEmpty() ? "" : "the device " + reason,
        "",
        hasFma() ? "" : "the device has no fma and emulates it, which is exact but slow");
  }

  /** Whether a fused multiply-add is an instruction, rather than a function in software. */
  boolean hasFma() {
    return (floatConfig & CL.CL_FP_FMA) != 0 && (floatConfig & CL.CL_FP_SOFT_FLOAT) == 0;
  }

  private String lacks(long flag, String what) {
    return (floatConfig & flag) == 0 ? what : "";
  }

  /**
   * Whether kernels address a buffer of that size only if they and it are made with options of
   * their own: Intel's driver for its GPUs, whose version is "OpenCL 3.0 NEO", by default has
   * buffers of 4 GiB at most.
   */
  boolean isLarge(long bytes) {
    return isAccelerator && driver.contains(" NEO") && bytes > 1L << 32;
  }

  /** Whether its driver is PoCL, which prints its name into the version. */
  boolean isPocl() {
    return driver.toLowerCase(Locale.ROOT).contains("pocl");
  }

  private static int integer(cl_device_id id, int what, String name) {
    return (int) Math.min(number(id, what, name), Integer.MAX_VALUE);
  }

  private static long number(cl_device_id id, int what, String name) {
    return OpenCl.number(
        "clGetDeviceInfo",
        name,
        (size, value, sizeOut) -> CL.clGetDeviceInfo(id, what, size, value, sizeOut));
  }

  private static String text(cl_device_id id, int what, String name) {
    return OpenCl.text(
        "clGetDeviceInfo",
        name,
        (size, value, sizeOut) -> CL.clGetDeviceInfo(id, what, size, value, sizeOut));
  }
}
