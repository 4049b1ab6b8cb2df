package io.warmstep.backend.cuda;

import io.warmstep.BackendUnavailableException;
import io.warmstep.WarmstepException;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.BackendReport;
import io.warmstep.backend.PrivateNatives;

/**
 * NVIDIA GPUs, through the driver API of JCuda: nothing but the driver is needed on the host. JCuda
 * is loaded once; where that fails, it tells the cause only the first time, so it is kept. This
 * class uses none of JCuda's types, so that it works without JCuda on the class path.
 */
public final class CudaBackend implements Backend {
  /** Name to ask for it by. */
  public static final String NAME = "cuda";

  private boolean isLoaded;
  private Throwable loadFailure;
  private BackendReport usable;

  /** The backend. */
  public CudaBackend() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public synchronized BackendReport report() {
    if (usable != null) {
      return usable;
    }
    try {
      load();
      usable = CudaContext.report();
      return usable;
    } catch (WarmstepException e) {
      return BackendReport.unusable(NAME, e.getMessage());
    }
  }

  @Override
  public boolean isAccelerator() {
    return report().usable();
  }

  /** Opens the first device that the driver lists; CUDA_VISIBLE_DEVICES chooses others. */
  @Override
  public BackendDevice open(int threads) {
    load();
    return CudaDevice.open();
  }

  /**
   * Opens the device of a context that the caller keeps.
   *
   * @param context raw CUcontext
   * @param stream raw CUstream of that context, 0 for its default stream
   * @return the device; closing it leaves context and stream to the caller
   * @throws BackendUnavailableException if CUDA cannot be used
   */
  public BackendDevice wrap(long context, long stream) {
    load();
    return CudaDevice.wrap(context, stream);
  }

  private synchronized void load() {
    if (!isLoaded && loadFailure == null) {
      try {
        PrivateNatives.initialize("jcuda.driver.JCudaDriver");
        isLoaded = true;
      } catch (Exception | LinkageError e) {
        loadFailure = e;
      }
    }
    if (loadFailure != null) {
      throw new BackendUnavailableException(
          "cuda cannot be used: " + reason(loadFailure), loadFailure);
    }
  }

  private static String reason(Throwable e) {
    String message = String.valueOf(e.getMessage());
    if (e instanceof ClassNotFoundException) {
      return "JCuda is not on the class path: add org.jcuda:jcuda:12.6.0 and"
          + " org.jcuda:jcuda-natives:12.6.0 with the classifier linux-x86_64";
    }
    if (message.contains("libcuda.so.1") || message.contains("nvcuda")) {
      return "there is no NVIDIA driver on this machine (libcuda.so.1 cannot be loaded):"
          + " install the driver of the GPU";
    }
    if (message.contains("No resource found")) {
      return "JCuda's native library is not on the class path: add org.jcuda:jcuda-natives:12.6.0"
          + " with the classifier of this platform (there is one for linux-x86_64)";
    }
    return "JCuda cannot be loaded: " + message.lines().findFirst().orElse("");
  }
}
