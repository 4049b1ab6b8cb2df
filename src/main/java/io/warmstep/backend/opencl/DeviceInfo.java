package io.warmstep.backend.opencl;

import io.warmstep.backend.BackendReport;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.cl_device_id;

/**
 * What a device says of itself.
 *
 * @param id its handle
 * @param name its name
 * @param driver platform and version
 * @param memoryBytes all of its memory
 * @param isAccelerator whether it is another than the processor
 * @param isUsable whether it is there and compiles
 * @param hasDouble whether it computes in float64
 * @param roundsCorrectly whether float32 division and square root are correctly rounded on request
 * @param keepsDenormals whether float32 denormals are kept
 * @param floatLanes elements of its native float32 vectors
 * @param doubleLanes elements of its native float64 vectors, 0 if it has none
 * @param maxWorkGroup work-items of the largest work-group
 * @param maxParameterBytes bytes of a kernel's arguments
 */
record DeviceInfo(
    cl_device_id id,
    String name,
    String driver,
    long memoryBytes,
    boolean isAccelerator,
    boolean isUsable,
    boolean hasDouble,
    boolean roundsCorrectly,
    boolean keepsDenormals,
    int floatLanes,
    int doubleLanes,
    int maxWorkGroup,
    int maxParameterBytes) {
  static DeviceInfo of(cl_device_id id) {
    String name = text(id, CL.CL_DEVICE_NAME, "a device");
    long type = number(id, CL.CL_DEVICE_TYPE, name);
    long rounding = number(id, CL.CL_DEVICE_SINGLE_FP_CONFIG, name);
    return new DeviceInfo(
        id,
        name,
        text(id, CL.CL_DEVICE_VERSION, name) + ", driver " + text(id, CL.CL_DRIVER_VERSION, name),
        number(id, CL.CL_DEVICE_GLOBAL_MEM_SIZE, name),
        (type & (CL.CL_DEVICE_TYPE_GPU | CL.CL_DEVICE_TYPE_ACCELERATOR)) != 0,
        number(id, CL.CL_DEVICE_AVAILABLE, name) != 0
            && number(id, CL.CL_DEVICE_COMPILER_AVAILABLE, name) != 0,
        number(id, CL.CL_DEVICE_DOUBLE_FP_CONFIG, name) != 0,
        (rounding & CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0,
        (rounding & CL.CL_FP_DENORM) != 0,
        integer(id, CL.CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, name),
        integer(id, CL.CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, name),
        integer(id, CL.CL_DEVICE_MAX_WORK_GROUP_SIZE, name),
        integer(id, CL.CL_DEVICE_MAX_PARAMETER_SIZE, name));
  }

  BackendReport report() {
    boolean bitExact = roundsCorrectly && keepsDenormals;
    String reason =
        Stream.of(
                roundsCorrectly ? "" : "does not round float32 division and square root correctly",
                keepsDenormals ? "" : "does not keep float32 denormals")
            .filter(what -> !what.isEmpty())
            .collect(Collectors.joining(" and "));
    return new BackendReport(
        OpenClBackend.NAME,
        true,
        name,
        driver,
        memoryBytes,
        bitExact,
        bitExact ? "" : "the device " + reason);
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
