package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.JCudaHandles;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Sgd;
import java.util.List;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is borrowed must lie within memory, as far as the driver knows where it ends. */
class CudaHandlesTest extends SimulatedTest {
  private static final ElementType FLOAT32 = ElementType.FLOAT32;

  private Device device;
  private long memory;

  @BeforeEach
  void open() {
    device = Devices.require("cuda");
  }

  @AfterEach
  void close() {
    device.close();
    if (memory != 0) {
      CudaSim.freeMemory(memory);
    }
  }

  private void assertBorrowed(ElementType type, long handle, long offset, long length) {
    try (Tensor tensor = device.borrowHandle(type, handle, offset, length)) {
      float[] values = new float[(int) length];
      java.util.Arrays.fill(values, 3);
      tensor.copyFrom(values);
      assertArrayEquals(values, tensor.toFloats());
    }
  }

  private void assertRefused(ElementType type, long handle, long offset, long length, long bytes) {
    assertEquals(
        "offset "
            + offset
            + " and length "
            + length
            + " do not lie within the memory at 0x"
            + Long.toHexString(handle)
            + ", which has "
            + bytes
            + " bytes from there, "
            + bytes / type.bytes()
            + " "
            + type,
        assertThrows(
                IllegalArgumentException.class,
                () -> device.borrowHandle(type, handle, offset, length))
            .getMessage());
  }

  @ParameterizedTest
  @EnumSource(ElementType.class)
  void aPartBeyondAnAllocationIsRefused(ElementType type) {
    int n = 1000;
    long bytes = (long) n * type.bytes();
    memory = CudaSim.newMemory(bytes);
    assertBorrowed(type, memory, 0, n);
    assertBorrowed(type, memory, n - 1, 1);
    assertBorrowed(type, memory, n, 0);
    assertRefused(type, memory, 0, n + 1, bytes);
    assertRefused(type, memory, 1, n, bytes);
    assertRefused(type, memory, n, 1, bytes);
    assertRefused(type, memory, n + 100, 0, bytes);
    assertRefused(type, memory, 0, 1L << 40, bytes);

    long inside = memory + 16L * type.bytes(); // a pointer need not be an allocation's first
    assertBorrowed(type, inside, 0, n - 16);
    assertRefused(type, inside, 0, n - 15, bytes - 16L * type.bytes());
  }

  /** Half an element is none. */
  @Test
  void anAllocationNeedNotBeOfWholeElements() {
    memory = CudaSim.newMemory(4002);
    assertBorrowed(FLOAT32, memory, 0, 1000);
    assertRefused(FLOAT32, memory, 0, 1001, 4002);
  }

  /** Chunks that a pool or an expandable segment has mapped: separate for the driver. */
  @ParameterizedTest
  @ValueSource(ints = {64, 256, 4000})
  void mappedChunksAreOneMemory(int chunk) {
    memory = CudaSim.newMappedMemory(4000, chunk);
    assertBorrowed(FLOAT32, memory, 0, 1000);
    assertBorrowed(FLOAT32, memory + 60, 3, 900);
    assertRefused(FLOAT32, memory, 0, 1001, 4000);
    assertRefused(FLOAT32, memory + 60, 3, 983, 3940);
  }

  /** Else a part that is one element too long would be taken where another's memory follows. */
  @Test
  void allocationsThatLieSideBySideAreNot() {
    memory = CudaSim.newNeighbours(4096, 1024);
    assertBorrowed(FLOAT32, memory, 0, 256);
    assertBorrowed(FLOAT32, memory + 1024, 0, 256);
    assertRefused(FLOAT32, memory, 0, 257, 1024);
    assertRefused(FLOAT32, memory + 1024, 200, 57, 1024);
  }

  /** As managed memory, and what was registered from the host: it is the caller's word. */
  @Test
  void memoryThatTheDriverDoesNotKnowIsTaken() {
    memory = CudaSim.newUnknownMemory(4000);
    assertBorrowed(FLOAT32, memory, 0, 1000);
    assertEquals(1001, device.borrowHandle(FLOAT32, memory, 0, 1001).length());
  }

  /** A pipeline that was made with JCuda has its objects and no handles. */
  @Test
  void jcudasObjectsAreLent() {
    CUdevice first = new CUdevice();
    CUcontext context = new CUcontext();
    CUstream stream = new CUstream();
    CUdeviceptr values = new CUdeviceptr();
    CUdeviceptr gradients = new CUdeviceptr();
    assertEquals(0, JCudaDriver.cuDeviceGet(first, 0));
    assertEquals(0, JCudaDriver.cuDevicePrimaryCtxRetain(context, first));
    assertEquals(0, JCudaDriver.cuCtxPushCurrent(context));
    assertEquals(0, JCudaDriver.cuStreamCreate(stream, 0));
    assertEquals(0, JCudaDriver.cuMemAlloc(values, 16));
    assertEquals(0, JCudaDriver.cuMemAlloc(gradients, 16));
    try (Device lent = Devices.wrapCuda(JCudaHandles.of(context), JCudaHandles.of(stream));
        Tensor p = lent.borrowHandle(FLOAT32, JCudaHandles.of(values), 0, 4);
        Tensor last =
            lent.borrowHandle(FLOAT32, JCudaHandles.of(gradients.withByteOffset(12)), 0, 1);
        Tensor g = lent.borrowHandle(FLOAT32, JCudaHandles.of(gradients), 0, 4);
        Parameters parameters = Parameters.on(lent).borrow("p", p, g).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
      p.copyFrom(new float[] {1, 2, 3, 4});
      g.zero();
      last.copyFrom(new float[] {0.5f});
      optimizer.step();
      assertArrayEquals(new float[] {1, 2, 3, 3.5f}, p.toFloats());
    }
    assertEquals(0, JCudaDriver.cuMemFree(values));
    assertEquals(0, JCudaDriver.cuMemFree(gradients));
    assertEquals(0, JCudaDriver.cuStreamDestroy(stream));
    assertEquals(0, JCudaDriver.cuCtxPopCurrent(new CUcontext()));
    assertEquals(0, JCudaDriver.cuDevicePrimaryCtxRelease(first));
  }

  /** The query's own failures, of which only those that mean unknown memory are no errors. */
  @Test
  void aFailedQueryIsNoRefusal() {
    memory = CudaSim.newMemory(4000);
    for (int code : List.of(CudaSim.INVALID_VALUE, 500, 801)) {
      CudaSim.failAt(2, code, false); // the first makes the context current
      assertEquals(1001, device.borrowHandle(FLOAT32, memory, 0, 1001).length());
    }
    CudaSim.failNothing();
    assertRefused(FLOAT32, memory, 0, 1001, 4000);
  }
}
