package io.warmstep.backend.cuda;

import io.warmstep.CaptureRefusedException;
import io.warmstep.DeviceReport;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/** Finds the driver's devices and says what they are. */
final class Gpu {
  /** First driver that has every function that JCuda 12.6 calls: CUDA 11.0, R450. */
  private static final int OLDEST_DRIVER = 11000;

  private static final int OLDEST_WITH_GRAPHS = 11040;

  /** Compute capability that the kernels are compiled for, times ten. */
  private static final int OLDEST_CAPABILITY = 50;

  /** How the name of the simulator's device begins. */
  private static final String SIMULATOR = "Simulated";

  /** What the simulator alone knows: which functions it has, counted up with each addition. */
  private static final int SIMULATOR_VERSION_ATTRIBUTE = 0x57534349;

  private static final int SIMULATOR_VERSION = 3;

  private Gpu() {}

  /**
   * What a device is; throws what keeps it from being used.
   *
   * @param index that the report gives
   */
  static DeviceReport report(CUdevice device, int index) {
    checkSimulator(device);
    int capability = capability(device);
    if (capability < OLDEST_CAPABILITY) {
      throw CudaBackend.unavailable(
          nameOf(device)
              + " has compute capability "
              + capability / 10
              + "."
              + capability % 10
              + ", "
              + OLDEST_CAPABILITY / 10
              + ".0 (Maxwell) or later is needed",
          null);
    }
    long[] bytes = new long[1];
    Cuda.check(
        () -> JCudaDriver.cuDeviceTotalMem(bytes, device), "cuDeviceTotalMem", nameOf(device));
    int version = driverVersion();
    return new DeviceReport(
        CudaBackend.NAME,
        index,
        true,
        nameOf(device) + ", compute capability " + capability / 10 + "." + capability % 10,
        "CUDA driver API " + version / 1000 + "." + version % 1000 / 10,
        bytes[0],
        true,
        "",
        uuid(device),
        KernelCache.of(System.getenv(), System.getProperty("user.home")));
  }

  /** As nvidia-smi lists it. */
  private static String uuid(CUdevice device) {
    CUuuid uuid = new CUuuid();
    Cuda.check(() -> JCudaDriver.cuDeviceGetUuid(uuid, device), "cuDeviceGetUuid", nameOf(device));
    ByteBuffer bytes = ByteBuffer.wrap(uuid.bytes);
    return "GPU-" + new UUID(bytes.getLong(), bytes.getLong());
  }

  /** How many devices there are, at least one; throws why there is none. */
  static int count() {
    int version = driverVersion();
    if (version < OLDEST_DRIVER) {
      throw CudaBackend.unavailable(
          "the NVIDIA driver supports CUDA "
              + version / 1000
              + "."
              + version % 1000 / 10
              + ", 11.0 (driver 450) or later is needed: update it",
          null);
    }
    int code = Cuda.code(() -> JCudaDriver.cuInit(0));
    int[] count = new int[1];
    if (code == CUresult.CUDA_SUCCESS) {
      Cuda.check(
          () -> JCudaDriver.cuDeviceGetCount(count), "cuDeviceGetCount", "the NVIDIA driver");
    } else if (code != CUresult.CUDA_ERROR_NO_DEVICE) {
      throw CudaBackend.unavailable(
          "the NVIDIA driver does not start, cuInit gave "
              + CUresult.stringFor(code)
              + " ("
              + code
              + "): see whether nvidia-smi works",
          null);
    }
    if (count[0] == 0) {
      throw CudaBackend.unavailable(
          "the NVIDIA driver is there but finds no GPU: see whether nvidia-smi"
              + " lists one, and what CUDA_VISIBLE_DEVICES is set to",
          null);
    }
    return count[0];
  }

  /** Refuses a driver without what JCuda makes executable graphs by: CUDA 11.4, R470. */
  static void requireGraphs() {
    int version = driverVersion();
    if (version < OLDEST_WITH_GRAPHS) {
      throw new CaptureRefusedException(
          "the NVIDIA driver supports CUDA "
              + version / 1000
              + "."
              + version % 1000 / 10
              + ", 11.4 (driver 470) or later is needed to capture steps: update it, or call"
              + " step()");
    }
  }

  /** A device as the driver lists them. */
  static CUdevice at(int index) {
    count();
    CUdevice device = new CUdevice();
    Cuda.check(() -> JCudaDriver.cuDeviceGet(device, index), "cuDeviceGet", "the NVIDIA driver");
    return device;
  }

  /**
   * A simulator for tests that was built before the library began to use another function of the
   * driver's would end the process when that is called.
   */
  private static void checkSimulator(CUdevice device) {
    if (!nameOf(device).startsWith(SIMULATOR)) {
      return;
    }
    int[] version = new int[1];
    int code =
        Cuda.code(
            () -> JCudaDriver.cuDeviceGetAttribute(version, SIMULATOR_VERSION_ATTRIBUTE, device));
    if (code == CUresult.CUDA_ERROR_INVALID_VALUE || version[0] < SIMULATOR_VERSION) {
      throw CudaBackend.unavailable(
          "the simulated driver was built from older sources than this library: build it again,"
              + " cmake --build with the folder that it was built in",
          null);
    }
  }

  private static int driverVersion() {
    int[] version = new int[1];
    Cuda.check(
        () -> JCudaDriver.cuDriverGetVersion(version), "cuDriverGetVersion", "the NVIDIA driver");
    return version[0];
  }

  private static int capability(CUdevice device) {
    return 10 * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
        + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  }

  private static int attribute(int attribute, CUdevice device) {
    int[] value = new int[1];
    Cuda.check(
        () -> JCudaDriver.cuDeviceGetAttribute(value, attribute, device),
        "cuDeviceGetAttribute",
        nameOf(device));
    return value[0];
  }

  static String nameOf(CUdevice device) {
    byte[] name = new byte[256];
    Cuda.check(
        () -> JCudaDriver.cuDeviceGetName(name, name.length, device),
        "cuDeviceGetName",
        "the NVIDIA driver");
    return new String(name, StandardCharsets.UTF_8).replace("\0", "").strip();
  }
}
