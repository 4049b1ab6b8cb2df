package io.warmstep.backend.cuda;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.natives.LoadFailure;
import io.warmstep.natives.PrivateNatives;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * NVIDIA GPUs, through the driver API of JCuda: nothing but the driver is needed on the host. JCuda
 * is loaded once; it reports why it failed to load only the first time, so the cause is kept. This
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
  private DeviceReport usable;

  /** The backend. */
  public CudaBackend() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return 200;
  }

  @Override
  public synchronized DeviceReport report() {
    if (usable == null) {
      try {
        load();
        usable = Gpu.report(Gpu.at(0), 0);
      } catch (RuntimeException | LinkageError e) {
        return DeviceReport.unusable(NAME, reasonOf(e));
      }
    }
    return usable;
  }

  @Override
  public List<DeviceReport> devices() {
    List<DeviceReport> devices = new ArrayList<>();
    try {
      load();
      int count = Gpu.count();
      for (int i = 0; i < count; i++) {
        devices.add(report(i));
      }
    } catch (RuntimeException | LinkageError e) {
      return List.of(DeviceReport.unusable(NAME, reasonOf(e)));
    }
    return devices;
  }

  private static DeviceReport report(int index) {
    try {
      return Gpu.report(Gpu.at(index), index);
    } catch (RuntimeException | LinkageError e) {
      return new DeviceReport(NAME, index, false, "", "", 0, false, reasonOf(e), "", "");
    }
  }

  private static String reasonOf(Throwable e) {
    String message = LoadFailure.describe(e);
    return message.startsWith(CANNOT_BE_USED)
        ? message.substring(CANNOT_BE_USED.length())
        : message;
  }

  @Override
  public boolean isAccelerator() {
    return report().usable();
  }

  /** Prefers the first device that the driver lists; CUDA_VISIBLE_DEVICES chooses others. */
  @Override
  public BackendDevice open(DeviceOptions options) {
    load();
    if (options.index() >= Gpu.count()) {
      throw noDevice(options.index());
    }
    return CudaDevice.open(Math.max(options.index(), 0));
  }

  @Override
  public BackendDevice wrap(long context, long stream) {
    load();
    return CudaDevice.wrap(context, stream);
  }

  private synchronized void load() {
    if (!isLoaded && loadFailure == null) {
      try {
        PrivateNatives.initialize("jcuda.driver.JCudaDriver", LIBRARY);
        NativePointers.link();
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
    boolean isModule = CudaBackend.class.getModule().isNamed();
    if (e instanceof ClassNotFoundException) {
      return "JCuda is not "
          + (isModule
              ? "among the modules that Java was started with, add --add-modules jcuda, or is not"
                  + " there"
              : "on the class path")
          + ": add org.jcuda:jcuda:"
          + VERSION
          + " and org.jcuda:jcuda-natives:"
          + VERSION
          + " with the classifier linux-x86_64";
    }
    String text = LoadFailure.text(e);
    Matcher driverFailure = DRIVER_FAILURE.matcher(text);
    if (driverFailure.find()) {
      String linker = driverFailure.group(1);
      return (linker.contains("No such file")
              ? "there is no NVIDIA driver on this machine: install that of the GPU"
              : "the NVIDIA driver on this machine cannot be loaded: install it again")
          + "; the dynamic linker says: "
          + linker;
    }
    Matcher oldDriver = OLD_DRIVER.matcher(text);
    if (oldDriver.find()) {
      return "the NVIDIA driver lacks functions that JCuda "
          + VERSION
          + " names but that are not used here: unset LD_BIND_NOW or update the driver; the dynamic"
          + " linker says: "
          + oldDriver.group(1);
    }
    Optional<String> known = LoadFailure.reason(e, "JCuda");
    if (known.isPresent()) {
      return known.get();
    }
    String platform = System.getProperty("os.name") + " on " + System.getProperty("os.arch");
    if (text.contains("No resource found")) {
      return isModule
          ? "JCuda looks for its native library in its own module only: add --patch-module"
              + " jcuda=PATH to Java's options, with the path of org.jcuda:jcuda-natives:"
              + VERSION
              + " for "
              + platform
              + " (there is one for linux-x86_64)"
          : "JCuda's native library for "
              + platform
              + " is not on the class path: add org.jcuda:jcuda-natives:"
              + VERSION
              + " with the classifier of this platform (there is one for linux-x86_64)";
    }
    if (e instanceof LinkageError) {
      return "JCuda's native library for "
          + platform
          + ", of org.jcuda:jcuda-natives:"
          + VERSION
          + ", cannot be loaded; Java says: "
          + LoadFailure.innermost(e);
    }
    return LoadFailure.describe(e);
  }
}
