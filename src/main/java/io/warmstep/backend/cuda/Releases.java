package io.warmstep.backend.cuda;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import jcuda.driver.CUcontext;
import jcuda.driver.CUresult;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * Releases the handles of a context. Whatever else there is must be released too, so a failure is
 * logged and not thrown; and since one cause makes every release fail, it is logged once.
 */
final class Releases {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final CUcontext context;
  private final String device;
  private final Set<Integer> logged = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean isDestroyed = new AtomicBoolean();

  Releases(CUcontext context, String device) {
    this.context = context;
    this.device = device;
  }

  /**
   * Releases a handle with the context current. Where a failed device keeps it from being made so,
   * the driver still knows its handles; with a context that was destroyed they are gone.
   */
  void run(Cuda.Call call, String operation) {
    if (isDestroyed.get()) {
      return;
    }
    int pushed = Cuda.code(() -> JCudaDriver.cuCtxPushCurrent(context));
    if (Cuda.isDestroyedContext(pushed)) {
      if (isDestroyed.compareAndSet(false, true)) {
        LOG.log(
            System.Logger.Level.WARNING,
            "the CUDA context of "
                + device
                + " was destroyed while a device used it, and took along what was allocated: close"
                + " the device first");
      }
      return;
    }
    log(pushed, "cuCtxPushCurrent");
    log(Cuda.code(call), operation);
    if (pushed == CUresult.CUDA_SUCCESS) {
      log(Cuda.code(() -> JCudaDriver.cuCtxPopCurrent(new CUcontext())), "cuCtxPopCurrent");
    }
  }

  private void log(int code, String operation) {
    if (code != CUresult.CUDA_SUCCESS && logged.add(code)) {
      LOG.log(
          System.Logger.Level.WARNING,
          operation
              + " gave "
              + Cuda.name(code)
              + " when something on "
              + device
              + " was closed; what else fails with this code is not logged");
    }
  }

  /**
   * Runs releases at a moment that nobody chose: in the driver's relaxed mode, in which they do not
   * end the capture of a graph that another thread may be at.
   */
  static void atAnyTime(Runnable releases) {
    int[] mode = {CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED};
    int code = Cuda.code(() -> JCudaDriver.cuThreadExchangeStreamCaptureMode(mode));
    try {
      releases.run();
    } finally {
      if (code == CUresult.CUDA_SUCCESS) {
        Cuda.code(() -> JCudaDriver.cuThreadExchangeStreamCaptureMode(mode));
      }
    }
  }
}
