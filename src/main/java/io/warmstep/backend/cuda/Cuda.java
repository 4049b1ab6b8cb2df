package io.warmstep.backend.cuda;

import io.warmstep.DeviceException;
import io.warmstep.DeviceLostException;
import io.warmstep.KernelBuildException;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.WarmstepException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import jcuda.CudaException;
import jcuda.NativePointerObject;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;

/** What every call of the driver needs: result codes as exceptions, raw handles. */
final class Cuda {
  /** Codes of the driver go up to here. */
  private static final int MAX_CODE = CUresult.CUDA_ERROR_UNKNOWN;

  /** CUDA_ERROR_TENSOR_MEMORY_LEAK, later than JCuda 12.6: a kernel left the process unusable. */
  private static final int TENSOR_MEMORY_LEAK = 721;

  private Cuda() {}

  /** A call of the driver. */
  interface Call {
    int run();
  }

  /** A call's result code, even where another user of JCuda has switched on its exceptions. */
  static int code(Call call) {
    try {
      return call.run();
    } catch (CudaException e) {
      return code(e);
    }
  }

  private static int code(CudaException e) {
    for (int code = 1; code < MAX_CODE; code++) {
      if (CUresult.stringFor(code).equals(e.getMessage())) {
        return code;
      }
    }
    return CUresult.CUDA_ERROR_UNKNOWN;
  }

  /** Throws what a result code stands for. */
  static void check(int code, String operation, String device) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw failure(code, operation, device, 0);
    }
  }

  static void check(Call call, String operation, String device) {
    check(code(call), operation, device);
  }

  static void check(Call call, String operation, String device, long bytes) {
    int code = code(call);
    if (code != CUresult.CUDA_SUCCESS) {
      throw failure(code, operation, device, bytes);
    }
  }

  /** For calls that compile: with the compiler's log, text that ends at a zero, in the message. */
  static void checkBuild(int code, String operation, String device, ByteBuffer log) {
    if (code == CUresult.CUDA_SUCCESS) {
      return;
    }
    String text = StandardCharsets.UTF_8.decode(log.duplicate().clear()).toString();
    text = text.substring(0, (text + '\0').indexOf('\0')).strip();
    String advice = buildAdvice(code, text.isEmpty());
    if (advice == null) {
      throw failure(code, operation, device, 0);
    }
    throw new KernelBuildException(
        message(code, operation, device, 0)
            + ": "
            + advice
            + (text.isEmpty() ? "" : "; its log says:\n" + text),
        null);
  }

  /** Why the driver did not compile a kernel and what to do; null for failures of another kind. */
  private static String buildAdvice(int code, boolean isUnexplained) {
    return switch (code) {
      case CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION ->
          "the driver is older than the kernel's version of PTX, update it";
      case CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU ->
          "the driver compiles no kernels for this GPU: install a release of it that does";
      case CUresult.CUDA_ERROR_INVALID_IMAGE, CUresult.CUDA_ERROR_INVALID_PTX ->
          "the driver's compiler does not accept the kernel"
              + (isUnexplained
                  ? ": Warmstep's jar may be damaged, or the driver too old for it"
                  : "");
      case CUresult.CUDA_ERROR_JIT_COMPILER_NOT_FOUND ->
          "install libnvidia-ptxjitcompiler.so.1, a part of the NVIDIA driver that is missing here";
      case CUresult.CUDA_ERROR_JIT_COMPILATION_DISABLED ->
          "unset CUDA_DISABLE_PTX_JIT in the environment";
      default -> null;
    };
  }

  /** For JCuda's own exception, which does not name the call. */
  static WarmstepException failure(CudaException e, String operation, String device) {
    WarmstepException failure = failure(code(e), operation, device, 0);
    failure.addSuppressed(e);
    return failure;
  }

  /** What failed, where and with which code. */
  static String message(int code, String operation, String device, long bytes) {
    return operation
        + (bytes > 0 ? " of " + bytes + " bytes" : "")
        + " failed on "
        + device
        + " with "
        + name(code);
  }

  /** A code's name and number. */
  static String name(int code) {
    return (code == TENSOR_MEMORY_LEAK ? "CUDA_ERROR_TENSOR_MEMORY_LEAK" : CUresult.stringFor(code))
        + " ("
        + code
        + ")";
  }

  /** Whether a code of making a context current says that there is no such context any more. */
  static boolean isDestroyedContext(int code) {
    return code == CUresult.CUDA_ERROR_INVALID_CONTEXT
        || code == CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }

  static WarmstepException failure(int code, String operation, String device, long bytes) {
    String message = message(code, operation, device, bytes);
    return switch (code) {
      case CUresult.CUDA_ERROR_OUT_OF_MEMORY ->
          new OutOfDeviceMemoryException(
              message + ": use fewer or smaller parameters, or close what is no longer used", null);
      case CUresult.CUDA_ERROR_DEINITIALIZED,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          TENSOR_MEMORY_LEAK ->
          new DeviceLostException(
              message + ": its memory cannot be read any more, start a new process", null);
      case CUresult.CUDA_ERROR_INVALID_CONTEXT, CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED ->
          new DeviceLostException(
              message
                  + ": the context was destroyed and took its memory along; keep it until the"
                  + " device is closed, and open a device of another context to go on",
              null);
      default -> new DeviceException(message, null);
    };
  }

  /** Memory that JCuda hands to the driver as it is. */
  static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  /** Device memory by its address. */
  static CUdeviceptr pointer(long address) {
    return wrap(address, new CUdeviceptr());
  }

  /** Makes one of JCuda's objects stand for a raw handle, for which JCuda has no constructor. */
  static <T extends NativePointerObject> T wrap(long handle, T object) {
    return NativePointers.set(object, handle);
  }

  /** The raw handle of one of JCuda's objects. */
  static long handle(NativePointerObject object) {
    return NativePointers.get(object);
  }
}
