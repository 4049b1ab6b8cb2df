package io.warmstep;

import io.warmstep.backend.cuda.NativePointers;
import jcuda.NativePointerObject;

/**
 * Reads the raw handles of JCuda objects, which JCuda exposes only to subclasses, for {@link
 * Devices#wrapCuda} and {@link Device#borrowHandle}. Nothing else in Warmstep's public API refers
 * to JCuda, so programs that do not use this class do not need JCuda.
 */
public final class JCudaHandles {
  private JCudaHandles() {}

  /**
   * The raw handle of a JCuda object: a {@code CUcontext}, a {@code CUstream} or {@code
   * cudaStream_t}, a {@code CUdeviceptr}, or a {@code Pointer} to device memory, as {@code
   * cudaMalloc} sets it. For a pointer it is the address, including its byte offset.
   *
   * @param object as set by the driver; null stands for the default stream, as in JCuda's own calls
   * @return the handle, 0 for null and for an object that is not set yet
   * @throws IllegalArgumentException if the object is a {@code Pointer} to a Java array, a buffer
   *     or other pointers
   */
  @SuppressWarnings("exports") // only who has JCuda calls this
  public static long of(NativePointerObject object) {
    if (object == null) {
      return 0;
    }
    JCudaHandles.class.getModule().addReads(object.getClass().getModule());
    return NativePointers.get(object);
  }
}
