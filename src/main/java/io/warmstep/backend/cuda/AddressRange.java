package io.warmstep.backend.cuda;

import java.nio.ByteBuffer;
import java.util.OptionalLong;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUpointer_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * How far memory of the caller's goes, as far as the driver knows. It knows where an allocation of
 * cuMemAlloc begins and ends. Memory of virtual memory management, as in pools and expandable
 * segments, it knows by the chunks that were mapped, and chunks that follow each other are one
 * memory to whoever mapped them. Of other memory, such as managed one, it knows nothing.
 */
final class AddressRange {
  private AddressRange() {}

  /**
   * Where the memory at an address ends.
   *
   * @param context in which the address is valid
   * @param address of the memory or within it
   * @param wanted the end that is asked for: what lies beyond it is not looked at
   * @return the wanted end or one beyond, if there is so much memory; the actual end, if there is
   *     less; nothing if the driver does not know
   */
  static OptionalLong end(CudaContext context, long address, long wanted) {
    if (wanted == address) {
      return OptionalLong.of(address);
    }
    long[] end = new long[1];
    context.run(
        "cuMemGetAddressRange",
        () -> {
          end[0] = rangeEnd(address, context.name);
          if (end[0] != 0 && end[0] < wanted && !isWhole(address)) {
            long next = rangeEnd(end[0], context.name);
            while (next != 0) {
              end[0] = next;
              next = next < wanted ? rangeEnd(next, context.name) : 0;
            }
          }
        });
    return end[0] == 0 ? OptionalLong.empty() : OptionalLong.of(end[0]);
  }

  /** The end of the allocation or chunk around an address, or 0 if the driver knows of none. */
  private static long rangeEnd(long address, String device) {
    CUdeviceptr start = new CUdeviceptr();
    long[] bytes = new long[1];
    int code =
        Cuda.code(() -> JCudaDriver.cuMemGetAddressRange(start, bytes, Cuda.pointer(address)));
    switch (code) {
      case CUresult.CUDA_ERROR_NOT_FOUND,
          CUresult.CUDA_ERROR_INVALID_VALUE,
          CUresult.CUDA_ERROR_NOT_SUPPORTED -> {
        return 0;
      }
      default -> {
        Cuda.check(code, "cuMemGetAddressRange", device);
        return Cuda.handle(start) + bytes[0];
      }
    }
  }

  /** Whether an address is of an allocation by itself, which others may follow in memory. */
  private static boolean isWhole(long address) {
    ByteBuffer value = Cuda.direct(Integer.BYTES);
    int code =
        Cuda.code(
            () ->
                JCudaDriver.cuPointerGetAttribute(
                    Pointer.to(value),
                    CUpointer_attribute.CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE,
                    Cuda.pointer(address)));
    return code == CUresult.CUDA_SUCCESS && value.getInt(0) != 0;
  }
}
