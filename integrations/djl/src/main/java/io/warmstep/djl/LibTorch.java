package io.warmstep.djl;

import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.LibUtils;
import com.sun.jna.FunctionMapper;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import io.warmstep.natives.LoadFailure;
import java.nio.file.Path;
import java.util.Map;

/**
 * What libtorch says of a tensor and DJL's classes do not: where its elements lie, and in which
 * order. DJL's handle of an array is a pointer to an {@code at::Tensor}, which is what libtorch's C
 * functions (torch/csrc/inductor/aoti_torch/c/shim.h) take.
 */
final class LibTorch {
  private static final Map<String, String> NAMES =
      Map.of("dataPointer", "aoti_torch_get_data_ptr", "strides", "aoti_torch_get_strides");

  /** Kept: a class that fails to initialize reports the cause only once. */
  @SuppressWarnings("StaticAssignmentOfThrowable")
  private static final Throwable FAILURE = register();

  /** What GCC and Clang make of torch::autograd::impl::bump_version(const at::Tensor&). */
  private static final String BUMP_VERSION = "_ZN5torch8autograd4impl12bump_versionERKN2at6TensorE";

  /** Whether this platform's libtorch has it under that name. */
  private static final boolean HAS_VERSIONS = FAILURE == null && registerVersions();

  private LibTorch() {}

  /** JNA's direct mapping; pointers are passed as 64-bit numbers. */
  private static final class Functions {
    static native int dataPointer(long tensor, long[] pointer);

    static native int strides(long tensor, long[] pointer);
  }

  /** A function that is no C function of libtorch's, so that it may be missing. */
  private static final class Versions {
    static native void bump(long tensor);
  }

  private static boolean registerVersions() {
    try {
      FunctionMapper mapper = (library, method) -> BUMP_VERSION;
      Native.register(
          Versions.class,
          NativeLibrary.getInstance(
              library("torch_cpu"), Map.of(Library.OPTION_FUNCTION_MAPPER, mapper)));
      return true;
    } catch (LinkageError | RuntimeException e) {
      return false;
    }
  }

  private static Throwable register() {
    try {
      FunctionMapper mapper = (library, method) -> NAMES.get(method.getName());
      NativeLibrary library =
          NativeLibrary.getInstance(
              library("torch_cpu"), Map.of(Library.OPTION_FUNCTION_MAPPER, mapper));
      Native.register(Functions.class, library);
      return null;
    } catch (LinkageError | RuntimeException e) {
      return e;
    }
  }

  /** The path of one of the libraries that DJL loaded. */
  static String library(String name) {
    return Path.of(LibUtils.getLibtorchPath(), System.mapLibraryName(name)).toString();
  }

  /**
   * The address of an array's first element, on the processor or on a GPU.
   *
   * @throws IllegalStateException if the array is closed, or has no data, as sparse ones
   */
  static long dataPointer(PtNDArray array) {
    checkLoaded();
    long[] pointer = new long[1];
    check(Functions.dataPointer(array.getHandle(), pointer), "dataPointer", array);
    return pointer[0];
  }

  /** Whether elements lie one after the other in row-major order, as DJL's buffers have them. */
  static boolean isContiguous(PtNDArray array) {
    checkLoaded();
    long[] shape = array.getShape().getShape();
    if (shape.length == 0 || array.getShape().size() == 0) {
      return true;
    }
    long[] pointer = new long[1];
    check(Functions.strides(array.getHandle(), pointer), "strides", array);
    long[] strides = new Pointer(pointer[0]).getLongArray(0, shape.length);
    long expected = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] != 1 && strides[i] != expected) {
        return false;
      }
      expected *= shape[i];
    }
    return true;
  }

  /**
   * Counts up the version of an array that autograd may have kept for backward, so that it refuses
   * to use values that are not those of the forward pass, as after PyTorch's own steps. Where
   * libtorch has no such function it is left out.
   */
  static void markChanged(PtNDArray array) {
    if (HAS_VERSIONS && array.hasGradient()) {
      Versions.bump(array.getHandle());
    }
  }

  private static void check(int code, String function, PtNDArray array) {
    if (code != 0) {
      throw new IllegalStateException(
          NAMES.get(function)
              + " failed with code "
              + code
              + " for an array of "
              + array.getShape());
    }
  }

  private static void checkLoaded() {
    if (FAILURE != null) {
      throw new IllegalStateException(reason(FAILURE, LibUtils.getLibtorchPath()), FAILURE);
    }
  }

  /** Why libtorch's functions cannot be called, of which their lack is one cause only. */
  static String reason(Throwable failure, String folder) {
    if (String.valueOf(failure.getMessage()).startsWith("Error looking up function")) {
      return "libtorch in "
          + folder
          + " lacks the C functions that say where tensors lie: use PyTorch 2.7.1, with which this"
          + " module is tested";
    }
    return "libtorch in "
        + folder
        + " cannot be called: "
        + LoadFailure.reason(failure, "JNA").orElseGet(() -> LoadFailure.innermost(failure));
  }
}
