package io.warmstep;

import io.warmstep.backend.cuda.NativePointers;
import jcuda.NativePointerObject;

/**
 * Reads the raw handles of JCuda's objects, which JCuda itself tells only to its subclasses, for
 * {@link Devices#wrapCuda} and {@link Device#borrowHandle}. Nothing else of Warmstep's public API
 * refers to JCuda, so who does not use this class needs no JCuda.
 */
public final class JCudaHandles {
  private JCudaHandles() {}

  /**
   * The raw handle of one of JCuda's objects: a {@code CUcontext}, a {@code CUstream} or {@code
   * cudaStream_t}, a {@code CUdeviceptr}, or a {@code Pointer} to memory of the device, as {@code
   * cudaMalloc} sets it. For a pointer it is the address, its byte offset included.
   *
   * @param object as the driver has set it; null stands for the default stream, as it does in
   *     JCuda's own calls
   * @return the handle, 0 for null and for an object that was not set yet
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
