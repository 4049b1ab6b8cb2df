package io.warmstep.djl;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import io.warmstep.BackendUnavailableException;
import io.warmstep.natives.LoadFailure;

/**
 * libtorch's context and stream, from the NVIDIA driver and libtorch's C functions. Ordinals are
 * the same for both: each counts the devices that CUDA_VISIBLE_DEVICES leaves.
 */
final class TorchCuda implements TrainingDevices.Cuda {
  @Override
  public long primaryContext(int ordinal) {
    NativeLibrary driver = load(Platform.isWindows() ? "nvcuda" : "libcuda.so.1");
    check(call(driver, "cuInit", 0), "cuInit");
    IntByReference device = new IntByReference();
    check(call(driver, "cuDeviceGet", device, ordinal), "cuDeviceGet");
    PointerByReference context = new PointerByReference();
    // Retained for the life of the process, as libtorch itself does.
    check(
        call(driver, "cuDevicePrimaryCtxRetain", context, device.getValue()),
        "cuDevicePrimaryCtxRetain");
    return Pointer.nativeValue(context.getValue());
  }

  @Override
  public long currentStream(int ordinal) {
    NativeLibrary torch = load(LibTorch.library("torch_cuda"));
    PointerByReference stream = new PointerByReference();
    check(
        call(torch, "aoti_torch_get_current_cuda_stream", ordinal, stream),
        "aoti_torch_get_current_cuda_stream");
    return Pointer.nativeValue(stream.getValue());
  }

  private static NativeLibrary load(String name) {
    try {
      return NativeLibrary.getInstance(name);
    } catch (UnsatisfiedLinkError e) {
      throw new BackendUnavailableException(
          "cuda cannot be used: " + name + " cannot be loaded: " + LoadFailure.innermost(e), e);
    }
  }

  private static int call(NativeLibrary library, String name, Object... arguments) {
    try {
      Function function = library.getFunction(name);
      return function.invokeInt(arguments);
    } catch (UnsatisfiedLinkError e) {
      throw new BackendUnavailableException(
          "cuda cannot be used: " + library.getName() + " has no " + name, e);
    }
  }

  private static void check(int code, String function) {
    if (code != 0) {
      throw new BackendUnavailableException(
          "cuda cannot be used: " + function + " failed with code " + code, null);
    }
  }
}
