package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/**
 * A module of PTX in the simulator that interprets it, through the driver's own calls. Memory that
 * it allocates is freed with it.
 */
final class PtxModule implements AutoCloseable {
  private static final int SUCCESS = 0;

  private final CUmodule module = new CUmodule();
  private final List<CUdeviceptr> memory = new ArrayList<>();

  /** Loads a text, which must be accepted. */
  PtxModule(String text) {
    enter();
    String log = load(module, text);
    assertEquals("", log, "the log of a module that must load");
  }

  /** What the log says of a text that must be refused. */
  static String refusalOf(String text) {
    enter();
    try {
      String log = load(new CUmodule(), text);
      assertTrue(log.length() > 0, "the module was accepted");
      return log;
    } finally {
      leave();
    }
  }

  private static String load(CUmodule module, String text) {
    byte[] bytes = (text + "\0").getBytes(StandardCharsets.UTF_8);
    byte[] log = new byte[4096];
    // CU_JIT_ERROR_LOG_BUFFER and its size, which is a pointer by type.
    Pointer values = Pointer.to(Pointer.to(log), Cuda.wrap(log.length, new Pointer()));
    int code =
        JCudaDriver.cuModuleLoadDataEx(module, Pointer.to(bytes), 2, new int[] {5, 6}, values);
    String said = new String(log, StandardCharsets.UTF_8);
    said = said.substring(0, said.indexOf('\0'));
    assertEquals(code == SUCCESS, said.isEmpty(), "code " + code + ", log " + said);
    return said;
  }

  private static void enter() {
    CudaSim.load();
    assertTrue(CudaSim.interprets(), "this test needs CUDASIM_RUN=ptx: see bin/test");
    JCudaDriver.setExceptionsEnabled(false);
    JCudaDriver.cuInit(0);
    CUdevice device = new CUdevice();
    JCudaDriver.cuDeviceGet(device, 0);
    CUcontext context = PrimaryContext.of(0).get(device);
    assertEquals(SUCCESS, JCudaDriver.cuCtxPushCurrent(context));
  }

  private static void leave() {
    JCudaDriver.cuCtxPopCurrent(new CUcontext());
  }

  /** Memory that was never written. */
  CUdeviceptr allocate(long bytes) {
    CUdeviceptr address = new CUdeviceptr();
    assertEquals(SUCCESS, JCudaDriver.cuMemAlloc(address, bytes));
    memory.add(address);
    return address;
  }

  /** A copy of an array of bytes. */
  CUdeviceptr copyOf(Pointer from, long bytes) {
    CUdeviceptr to = allocate(bytes);
    assertEquals(SUCCESS, JCudaDriver.cuMemcpyHtoDAsync(to, from, bytes, null));
    return to;
  }

  CUdeviceptr copyOf(int... values) {
    return copyOf(Pointer.to(values), 4L * values.length);
  }

  CUdeviceptr copyOf(long... values) {
    return copyOf(Pointer.to(values), 8L * values.length);
  }

  CUdeviceptr copyOf(float... values) {
    return copyOf(Pointer.to(values), 4L * values.length);
  }

  CUdeviceptr copyOf(double... values) {
    return copyOf(Pointer.to(values), 8L * values.length);
  }

  int[] ints(CUdeviceptr from, int count) {
    int[] values = new int[count];
    read(Pointer.to(values), from, 4L * count);
    return values;
  }

  long[] longs(CUdeviceptr from, int count) {
    long[] values = new long[count];
    read(Pointer.to(values), from, 8L * count);
    return values;
  }

  short[] shorts(CUdeviceptr from, int count) {
    short[] values = new short[count];
    read(Pointer.to(values), from, 2L * count);
    return values;
  }

  float[] floats(CUdeviceptr from, int count) {
    float[] values = new float[count];
    read(Pointer.to(values), from, 4L * count);
    return values;
  }

  double[] doubles(CUdeviceptr from, int count) {
    double[] values = new double[count];
    read(Pointer.to(values), from, 8L * count);
    return values;
  }

  private static void read(Pointer to, CUdeviceptr from, long bytes) {
    assertEquals(SUCCESS, JCudaDriver.cuMemcpyDtoHAsync(to, from, bytes, null));
  }

  /**
   * Launches an entry and waits for it.
   *
   * @param grid blocks: x, y or x alone
   * @param block threads, likewise
   * @param shared bytes of dynamic shared memory
   * @param arguments {@link CUdeviceptr}s, {@code Integer}s and {@code Long}s
   * @return the driver's code, of the first call that fails or of the wait
   */
  int launch(String entry, int[] grid, int[] block, int shared, Object... arguments) {
    CUfunction function = new CUfunction();
    int found = JCudaDriver.cuModuleGetFunction(function, module, entry);
    if (found != SUCCESS) {
      return found;
    }
    NativePointerObject[] pointers = new NativePointerObject[arguments.length];
    for (int i = 0; i < arguments.length; i++) {
      pointers[i] =
          arguments[i] instanceof Integer number
              ? Pointer.to(new int[] {number})
              : arguments[i] instanceof Long number
                  ? Pointer.to(new long[] {number})
                  : Pointer.to((CUdeviceptr) arguments[i]);
    }
    int code =
        JCudaDriver.cuLaunchKernel(
            function,
            grid[0],
            grid.length > 1 ? grid[1] : 1,
            1,
            block[0],
            block.length > 1 ? block[1] : 1,
            1,
            shared,
            null,
            Pointer.to(pointers),
            null);
    return code != SUCCESS ? code : JCudaDriver.cuStreamSynchronize(null);
  }

  /** Launches blocks of threads, which must succeed. */
  void run(String entry, int blocks, int threads, Object... arguments) {
    assertEquals(SUCCESS, launch(entry, new int[] {blocks}, new int[] {threads}, 0, arguments));
  }

  @Override
  public void close() {
    memory.forEach(JCudaDriver::cuMemFree);
    JCudaDriver.cuModuleUnload(module);
    leave();
  }
}
