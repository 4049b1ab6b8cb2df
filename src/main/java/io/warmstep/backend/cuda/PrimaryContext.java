package io.warmstep.backend.cuda;

import io.warmstep.OutOfDeviceMemoryException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * A device's primary context, which all users in the process share. It is retained once and never
 * released, as cudart does: the driver tears it down when the last use ends, which takes up to
 * seconds, and so does making it anew.
 */
final class PrimaryContext {
  private static final Map<Integer, PrimaryContext> OF_PROCESS = new ConcurrentHashMap<>();

  private static final String OPERATION = "cuDevicePrimaryCtxRetain";

  private CUcontext context;

  PrimaryContext() {}

  /** The one of a device, as the driver lists them. */
  static PrimaryContext of(int index) {
    return OF_PROCESS.computeIfAbsent(index, device -> new PrimaryContext());
  }

  /** The context; where it cannot be had, the next call tries again. */
  synchronized CUcontext get(CUdevice device) {
    if (context == null) {
      context = retain(device);
    }
    return context;
  }

  private static CUcontext retain(CUdevice device) {
    String name = Gpu.nameOf(device);
    CUcontext context = new CUcontext();
    int code = Cuda.code(() -> JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
    switch (code) {
      case CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE ->
          throw CudaBackend.unavailable(
              "another process uses the GPU exclusively, or its compute mode lets in none: set"
                  + " nvidia-smi -c DEFAULT, or end that process; "
                  + Cuda.message(code, OPERATION, name, 0),
              null);
      case CUresult.CUDA_ERROR_OUT_OF_MEMORY ->
          throw new OutOfDeviceMemoryException(
              Cuda.message(code, OPERATION, name, 0)
                  + ": other processes use the GPU's memory, nvidia-smi lists them; end one or"
                  + " wait",
              null);
      default -> Cuda.check(code, OPERATION, name);
    }
    return context;
  }
}
