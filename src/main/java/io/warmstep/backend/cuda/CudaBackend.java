package io.warmstep.backend.cuda;

import io.warmstep.BackendUnavailableException;
import io.warmstep.WarmstepException;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.BackendReport;
import io.warmstep.backend.PrivateNatives;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * NVIDIA GPUs, through the driver API of JCuda: nothing but the driver is needed on the host. JCuda
 * is loaded once; where that fails, it tells the cause only the first time, so it is kept. This
 * class uses none of JCuda's types, so that it works without JCuda on the class path.
 */
public final class CudaBackend implements Backend {
  /** Name to ask for it by. */
  public static final String NAME = "cuda";

  private static final String CANNOT_BE_USED = NAME + " cannot be used: ";
  private static final String VERSION = "12.6.0";

  /** What JCuda extracts on Linux. */
  private static final String LIBRARY = "lib/libJCudaDriver-" + VERSION + "-linux-x86_64.so";

  /** What the dynamic linker says of the driver. */
  private static final Pattern DRIVER_FAILURE = Pattern.compile("(libcuda\\.so[.0-9]*: .*)");

  /** What it says of JCuda's library where the driver is older and all must be found at once. */
  private static final Pattern OLD_DRIVER = Pattern.compile("(\\S+: undefined symbol: cu.*)");

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
      usable = Gpu.report();
      return usable;
    } catch (WarmstepException e) {
      String message = String.valueOf(e.getMessage());
      return BackendReport.unusable(
          NAME,
          message.startsWith(CANNOT_BE_USED)
              ? message.substring(CANNOT_BE_USED.length())
              : message);
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
        PrivateNatives.initialize("jcuda.driver.JCudaDriver", LIBRARY);
        isLoaded = true;
      } catch (Exception | LinkageError e) {
        loadFailure = e;
      }
    }
    if (loadFailure != null) {
      throw unavailable(reason(loadFailure), loadFailure);
    }
  }

  /** With what to do about it in the reason. */
  static BackendUnavailableException unavailable(String reason, Throwable cause) {
    return new BackendUnavailableException(CANNOT_BE_USED + reason, cause);
  }

  static String reason(Throwable e) {
    String message = String.valueOf(e.getMessage());
    if (e instanceof ClassNotFoundException) {
      return "JCuda is not on the class path: add org.jcuda:jcuda:"
          + VERSION
          + " and org.jcuda:jcuda-natives:"
          + VERSION
          + " with the classifier linux-x86_64";
    }
    Matcher driverFailure = DRIVER_FAILURE.matcher(message);
    if (driverFailure.find()) {
      String linker = driverFailure.group(1);
      return (linker.contains("No such file")
              ? "there is no NVIDIA driver on this machine: install that of the GPU"
              : "the NVIDIA driver on this machine cannot be loaded: install it again")
          + "; the dynamic linker says: "
          + linker;
    }
    Matcher oldDriver = OLD_DRIVER.matcher(message);
    if (oldDriver.find()) {
      return "the NVIDIA driver lacks functions that JCuda "
          + VERSION
          + " names but that are not used here: unset LD_BIND_NOW or update the driver; the dynamic"
          + " linker says: "
          + oldDriver.group(1);
    }
    Optional<String> noExecution = PrivateNatives.noExecution(message);
    if (noExecution.isPresent()) {
      return noExecution.get();
    }
    String platform = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
    if (message.contains("No resource found")) {
      return "JCuda's native library for "
          + platform
          + " is not on the class path: add org.jcuda:jcuda-natives:"
          + VERSION
          + " with the classifier of this platform (there is one for linux-x86_64)";
    }
    if (e instanceof LinkageError) {
      return "JCuda's native library cannot be loaded: it must be an intact one for "
          + platform
          + " in org.jcuda:jcuda-natives:"
          + VERSION
          + "; JCuda says: "
          + message.lines().findFirst().orElse("");
    }
    return message;
  }
}
