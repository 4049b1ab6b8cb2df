package io.warmstep.backend.cuda;

import io.warmstep.OutOfDeviceMemoryException;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** A device's primary context, which all users in the process share. */
final class PrimaryContext {
  private static final String OPERATION = "cuDevicePrimaryCtxRetain";

  private PrimaryContext() {}

  /** One use of it more; the first in the process creates it. */
  static CUcontext retain(CUdevice device) {
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
