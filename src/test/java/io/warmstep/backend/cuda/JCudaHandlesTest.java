package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.JCudaHandles;
import java.nio.ByteBuffer;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.runtime.cudaStream_t;
import org.junit.jupiter.api.Test;

/** JCuda's objects say what they stand for. Needs no driver. */
class JCudaHandlesTest {
  private static final long HANDLE = 0x7f12_3456_7890L;

  @Test
  void everyObjectThatAPipelineHolds() {
    assertEquals(HANDLE, JCudaHandles.of(Cuda.wrap(HANDLE, new CUcontext())));
    assertEquals(HANDLE, JCudaHandles.of(Cuda.wrap(HANDLE, new CUstream())));
    cudaStream_t runtimeStream = Cuda.wrap(HANDLE, new cudaStream_t());
    assertEquals(HANDLE, JCudaHandles.of(runtimeStream));
    assertEquals(HANDLE, JCudaHandles.of(new CUstream(runtimeStream)));
    assertEquals(HANDLE, JCudaHandles.of(Cuda.wrap(HANDLE, new CUdeviceptr())));
    assertEquals(HANDLE, JCudaHandles.of(Cuda.wrap(HANDLE, new Pointer())));
  }

  @Test
  void offsetsOfPointersCount() {
    CUdeviceptr driver = Cuda.wrap(HANDLE, new CUdeviceptr());
    assertEquals(HANDLE + 12, JCudaHandles.of(driver.withByteOffset(8).withByteOffset(4)));
    assertEquals(HANDLE - 4, JCudaHandles.of(driver.withByteOffset(-4)));
    Pointer runtime = Cuda.wrap(HANDLE, new Pointer());
    assertEquals(HANDLE + 8, JCudaHandles.of(runtime.withByteOffset(8)));
  }

  @Test
  void whatStandsForNothingIsZero() {
    assertEquals(0, JCudaHandles.of(null));
    assertEquals(0, JCudaHandles.of(new CUstream()));
    assertEquals(0, JCudaHandles.of(new CUdeviceptr()));
    assertEquals(0, JCudaHandles.of(new Pointer().withByteOffset(8)));
  }

  @Test
  void memoryOfJavasIsRefused() {
    Pointer array = Pointer.to(new float[3]);
    for (Pointer pointer :
        List.of(
            array,
            array.withByteOffset(4),
            Pointer.to(ByteBuffer.allocateDirect(8)),
            Pointer.to(new CUdeviceptr(), new CUdeviceptr()))) {
      assertEquals(
          "pointer is to a Java array, a buffer or other pointers, must be to memory of the device,"
              + " as cuMemAlloc or cudaMalloc sets it",
          assertThrows(IllegalArgumentException.class, () -> JCudaHandles.of(pointer))
              .getMessage());
    }
  }
}
