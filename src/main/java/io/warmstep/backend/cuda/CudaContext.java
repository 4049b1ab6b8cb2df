package io.warmstep.backend.cuda;

import io.warmstep.CaptureRefusedException;
import io.warmstep.DeviceReport;
import io.warmstep.KernelBuildException;
import io.warmstep.backend.StepRefusedException;
import java.nio.ByteBuffer;
import jcuda.CudaException;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUjit_option;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.CUstreamCaptureStatus;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A context and a stream of it. The context is made current for the length of a call and what was
 * current before is restored, so callers may use CUDA themselves in the same thread.
 */
final class CudaContext {
  private static final int LOG_BYTES = 8192;
  private static final int[] LOG_OPTIONS = {
    CUjit_option.CU_JIT_ERROR_LOG_BUFFER, CUjit_option.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
  };

  final String name;
  private final CUdevice device;

  /** Among the driver's devices, -1 if the caller lent the context. */
  private final int index;

  private final CUcontext context;
  private CUstream stream; // final but for capture()
  private final boolean isOwned;
  private final Releases releases;
  private final int[] captureStatus = new int[1];

  /** For copies that do not wait for the first stream's work; made when there is one. */
  private CUstream beside;

  /** Work with the context current; built once where it must not allocate. */
  interface Work {
    void run();
  }

  private CudaContext(
      CUdevice device, int index, CUcontext context, CUstream stream, boolean isOwned) {
    this(device, index, context, stream, isOwned, Gpu.nameOf(device), null);
  }

  private CudaContext(
      CUdevice device,
      int index,
      CUcontext context,
      CUstream stream,
      boolean isOwned,
      String name,
      Releases releases) {
    this.device = device;
    this.index = index;
    this.context = context;
    this.stream = stream;
    this.isOwned = isOwned;
    this.name = name;
    this.releases = releases == null ? new Releases(context, name) : releases;
  }

  /** A device's primary context and a stream. */
  static CudaContext open(int index) {
    CUdevice device = Gpu.at(index);
    Gpu.report(device, index);
    String name = Gpu.nameOf(device);
    CUcontext context = PrimaryContext.of(index).get(device);
    CUstream stream = new CUstream();
    CudaContext opened = new CudaContext(device, index, context, stream, true);
    // A stream of the kind that keeps in order with the default stream: so does work of others
    // that use the primary context without a stream of their own.
    opened.create(
        () -> Cuda.check(() -> JCudaDriver.cuStreamCreate(stream, 0), "cuStreamCreate", name),
        () -> opened.destroy(stream));
    return opened;
  }

  /** The caller's context and stream. */
  static CudaContext wrap(long contextHandle, long streamHandle) {
    CUcontext context = Cuda.wrap(contextHandle, new CUcontext());
    CUstream stream = Cuda.wrap(streamHandle, new CUstream());
    CUdevice device = new CUdevice();
    String unknown = "the device of context 0x" + Long.toHexString(contextHandle);
    int pushed = Cuda.code(() -> JCudaDriver.cuCtxPushCurrent(context));
    if (Cuda.isDestroyedContext(pushed)) {
      throw new IllegalArgumentException(
          "context is 0x"
              + Long.toHexString(contextHandle)
              + ", which the driver does not know: it must be a CUcontext that was not destroyed");
    }
    Cuda.check(pushed, "cuCtxPushCurrent", unknown);
    int code = Cuda.code(() -> JCudaDriver.cuCtxGetDevice(device));
    Cuda.check(() -> JCudaDriver.cuCtxPopCurrent(new CUcontext()), "cuCtxPopCurrent", unknown);
    Cuda.check(code, "cuCtxGetDevice", unknown);
    return new CudaContext(device, -1, context, stream, false);
  }

  /**
   * Checks that graphs can be made.
   *
   * @throws CaptureRefusedException if not; nothing has changed
   */
  void requireGraphs() {
    Gpu.requireGraphs();
    run(
        "capture",
        () -> {
          if (isCapturing()) {
            throw new CaptureRefusedException(
                "the device's stream is capturing a CUDA graph, and capture() allocates memory:"
                    + " call it before the capture begins, and record() in it");
          }
        });
  }

  /** The same context and stream, for one user who may {@link #capture} what it launches. */
  CudaContext forCapture() {
    return new CudaContext(device, index, context, stream, false, name, releases);
  }

  DeviceReport deviceReport() {
    return Gpu.report(device, index);
  }

  /** Does work with this context current. Allocates nothing itself. */
  void run(String operation, Work work) {
    run(operation, work, new CUcontext());
  }

  /**
   * The same; what was current before the work's end is written to the given object. JCuda's own
   * exceptions are caught here rather than at each call, so that a step needs no objects for that.
   */
  void run(String operation, Work work, CUcontext popped) {
    try {
      Cuda.check(JCudaDriver.cuCtxPushCurrent(context), "cuCtxPushCurrent", name);
      try {
        work.run();
      } catch (RuntimeException | Error e) {
        Cuda.code(() -> JCudaDriver.cuCtxPopCurrent(popped)); // would fail of the same cause
        throw e;
      }
      Cuda.check(JCudaDriver.cuCtxPopCurrent(popped), "cuCtxPopCurrent", name);
    } catch (CudaException e) {
      throw Cuda.failure(e, operation, name);
    }
  }

  /** Whether the context is one that stays as long as the process, and the stream this object's. */
  boolean isOwned() {
    return isOwned;
  }

  /** Allocates bytes; 0 of them have address 0. */
  long allocate(long bytes) {
    if (bytes == 0) {
      return 0;
    }
    CUdeviceptr pointer = new CUdeviceptr();
    create(
        () -> Cuda.check(() -> JCudaDriver.cuMemAlloc(pointer, bytes), "cuMemAlloc", name, bytes),
        () -> free(Cuda.handle(pointer)));
    return Cuda.handle(pointer);
  }

  /**
   * Creates something, and releases it if the call fails all the same, when the former context is
   * restored. What JCuda writes into its object when a call fails must not be used.
   */
  void create(Work creation, Work release) {
    boolean[] isCreated = new boolean[1];
    try {
      run(
          "create",
          () -> {
            creation.run();
            isCreated[0] = true;
          });
    } catch (RuntimeException | Error e) {
      if (isCreated[0]) {
        release.run();
      }
      throw e;
    }
  }

  void free(long address) {
    if (address != 0) {
      CUdeviceptr pointer = Cuda.pointer(address);
      releases.run(() -> JCudaDriver.cuMemFree(pointer), "cuMemFree");
    }
  }

  /** Memory of the host that kernels reach while the host goes on. */
  Pointer allocateHost(long bytes) {
    Pointer pinned = new Pointer();
    int flags = JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP;
    create(
        () ->
            Cuda.check(
                () -> JCudaDriver.cuMemHostAlloc(pinned, bytes, flags),
                "cuMemHostAlloc",
                name,
                bytes),
        () -> freeHost(pinned));
    return pinned;
  }

  /** Where kernels reach memory of {@link #allocateHost}. */
  long deviceAddress(Pointer pinned) {
    CUdeviceptr address = new CUdeviceptr();
    run(
        "cuMemHostGetDevicePointer",
        () ->
            Cuda.check(
                () -> JCudaDriver.cuMemHostGetDevicePointer(address, pinned, 0),
                "cuMemHostGetDevicePointer",
                name));
    return Cuda.handle(address);
  }

  void freeHost(Pointer pinned) {
    releases.run(() -> JCudaDriver.cuMemFreeHost(pinned), "cuMemFreeHost");
  }

  CUevent newEvent(int flags) {
    CUevent event = new CUevent();
    create(
        () -> Cuda.check(() -> JCudaDriver.cuEventCreate(event, flags), "cuEventCreate", name),
        () -> destroyEvent(event));
    return event;
  }

  void destroyEvent(CUevent event) {
    releases.run(() -> JCudaDriver.cuEventDestroy(event), "cuEventDestroy");
  }

  /** Copies a direct buffer's first bytes to the device and waits until the buffer is free. */
  void write(long address, ByteBuffer from, long bytes) {
    run(
        "cuMemcpyHtoDAsync",
        () -> {
          startWriting(address, from, bytes);
          waitForStream();
        });
  }

  /** The same without a wait; the buffer is free when it returns. */
  void send(long address, ByteBuffer from, long bytes) {
    run("cuMemcpyHtoDAsync", () -> startWriting(address, from, bytes));
  }

  /** With the context current: asks for a copy of a direct buffer's first bytes to the device. */
  void startWriting(long address, ByteBuffer from, long bytes) {
    CUdeviceptr to = Cuda.pointer(address);
    Pointer source = Pointer.to(from);
    Cuda.check(
        () -> JCudaDriver.cuMemcpyHtoDAsync(to, source, bytes, stream),
        "cuMemcpyHtoDAsync",
        name,
        bytes);
  }

  /** The same without an allocation. */
  void startWriting(CUdeviceptr to, Pointer from, long bytes) {
    Cuda.check(JCudaDriver.cuMemcpyHtoDAsync(to, from, bytes, stream), "cuMemcpyHtoDAsync", name);
  }

  /** Copies from the device into a direct buffer's first bytes. */
  void read(long address, ByteBuffer to, long bytes) {
    CUdeviceptr from = Cuda.pointer(address);
    Pointer target = Pointer.to(to);
    run(
        "cuMemcpyDtoHAsync",
        () -> {
          startReading(target, from, bytes);
          waitForStream();
        });
  }

  /** The same beside what the stream still has to do, none of which writes these bytes. */
  void readSettled(long address, ByteBuffer to, long bytes) {
    CUstream other = beside();
    run(
        "cuMemcpyDtoHAsync",
        () -> {
          Cuda.check(
              () ->
                  JCudaDriver.cuMemcpyDtoHAsync(
                      Pointer.to(to), Cuda.pointer(address), bytes, other),
              "cuMemcpyDtoHAsync",
              name);
          Cuda.check(() -> JCudaDriver.cuStreamSynchronize(other), "cuStreamSynchronize", name);
        });
  }

  private synchronized CUstream beside() {
    if (beside == null) {
      beside = newStream();
    }
    return beside;
  }

  /** One that waits for no other. */
  private CUstream newStream() {
    CUstream other = new CUstream();
    int flags = CUstream_flags.CU_STREAM_NON_BLOCKING;
    create(
        () -> Cuda.check(() -> JCudaDriver.cuStreamCreate(other, flags), "cuStreamCreate", name),
        () -> destroy(other));
    return other;
  }

  private void destroy(CUstream of) {
    releases.run(() -> JCudaDriver.cuStreamDestroy(of), "cuStreamDestroy");
  }

  void zero(long address, long bytes) {
    zeroing(address, bytes).run();
  }

  /** What sets bytes to zero as often as it is run, which allocates nothing. */
  Runnable zeroing(long address, long bytes) {
    if (bytes == 0) {
      return () -> {};
    }
    CUdeviceptr pointer = Cuda.pointer(address);
    CUcontext popped = new CUcontext();
    Cuda.Call call = () -> JCudaDriver.cuMemsetD8Async(pointer, (byte) 0, bytes, stream);
    Work work = () -> Cuda.check(call, "cuMemsetD8Async", name, bytes);
    return () -> run("cuMemsetD8Async", work, popped);
  }

  void copy(long to, long from, long bytes) {
    if (bytes > 0) {
      CUdeviceptr target = Cuda.pointer(to);
      CUdeviceptr source = Cuda.pointer(from);
      run(
          "cuMemcpyDtoDAsync",
          () ->
              Cuda.check(
                  () -> JCudaDriver.cuMemcpyDtoDAsync(target, source, bytes, stream),
                  "cuMemcpyDtoDAsync",
                  name,
                  bytes));
    }
  }

  void synchronize() {
    run("cuStreamSynchronize", this::waitForStream);
  }

  /** With the context current: asks for a copy to the host. */
  void startReading(Pointer to, CUdeviceptr from, long bytes) {
    Cuda.check(JCudaDriver.cuMemcpyDtoHAsync(to, from, bytes, stream), "cuMemcpyDtoHAsync", name);
  }

  /** With the context current: waits. */
  void waitForStream() {
    Cuda.check(JCudaDriver.cuStreamSynchronize(stream), "cuStreamSynchronize", name);
  }

  /** With the context current: the event happens once the stream has done what it has so far. */
  void record(CUevent event) {
    Cuda.check(JCudaDriver.cuEventRecord(event, stream), "cuEventRecord", name);
  }

  /** With the context current: waits until the event has happened. */
  void await(CUevent event) {
    Cuda.check(JCudaDriver.cuEventSynchronize(event), "cuEventSynchronize", name);
  }

  /** With the context current: whether the event has happened, or never will for a failure. */
  boolean hasHappened(CUevent event) {
    int code = Cuda.code(() -> JCudaDriver.cuEventQuery(event));
    return code != CUresult.CUDA_ERROR_NOT_READY;
  }

  /** What the stream is given from now on waits for an event. */
  void waitFor(CUevent event) {
    run(
        "cuStreamWaitEvent",
        () ->
            Cuda.check(
                () -> JCudaDriver.cuStreamWaitEvent(stream, event, 0), "cuStreamWaitEvent", name));
  }

  /** The same for what another stream has been given so far. */
  void waitFor(CUstream other) {
    CUevent event = newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING);
    try {
      run(
          "cuEventRecord",
          () -> Cuda.check(() -> JCudaDriver.cuEventRecord(event, other), "cuEventRecord", name));
      waitFor(event);
    } finally {
      destroyEvent(event); // the driver keeps it until it has happened
    }
  }

  /** With the context current: whether the stream is capturing a CUDA graph. */
  boolean isCapturing() {
    int code = JCudaDriver.cuStreamIsCapturing(stream, captureStatus);
    if (code == CUresult.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) {
      return true;
    }
    Cuda.check(code, "cuStreamIsCapturing", name);
    return captureStatus[0] != CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_NONE;
  }

  /**
   * With the context current: refuses to put a step into a CUDA graph, which would replay its
   * number and learning rate for ever.
   */
  void refuseCapture() {
    if (isCapturing()) {
      throw new StepRefusedException(
          "the device's stream is capturing a CUDA graph, which would replay this step's number and"
              + " learning rate for ever: end the capture before step(), or put a captured step"
              + " into the graph, by record() of what Optimizer.capture() gives before the capture"
              + " begins");
    }
  }

  /**
   * Makes a graph of what is launched meanwhile, on a stream of its own: the default stream cannot
   * capture, and others may use this one. Nothing is done on the device.
   */
  CUgraphExec capture(Work launches) {
    CUstream own = newStream();
    CUstream former = stream;
    CUgraph graph = new CUgraph();
    CUgraphExec exec = new CUgraphExec();
    try {
      int mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
      create(
          () -> {
            Cuda.check(
                () -> JCudaDriver.cuStreamBeginCapture(own, mode), "cuStreamBeginCapture", name);
            stream = own;
            try {
              launches.run();
            } catch (RuntimeException | Error e) {
              if (Cuda.code(() -> JCudaDriver.cuStreamEndCapture(own, graph)) == 0) {
                destroy(graph);
              }
              throw e;
            } finally {
              stream = former;
            }
            Cuda.check(
                () -> JCudaDriver.cuStreamEndCapture(own, graph), "cuStreamEndCapture", name);
          },
          () -> destroy(graph));
      try {
        create(
            () ->
                Cuda.check(
                    () -> JCudaDriver.cuGraphInstantiate(exec, graph, 0),
                    "cuGraphInstantiate",
                    name),
            () -> destroy(exec));
      } finally {
        destroy(graph);
      }
    } finally {
      destroy(own);
    }
    return exec;
  }

  private void destroy(CUgraph graph) {
    releases.run(() -> JCudaDriver.cuGraphDestroy(graph), "cuGraphDestroy");
  }

  void destroy(CUgraphExec exec) {
    releases.run(() -> JCudaDriver.cuGraphExecDestroy(exec), "cuGraphExecDestroy");
  }

  /** With the context current: launches a graph. */
  void launch(CUgraphExec exec) {
    Cuda.check(JCudaDriver.cuGraphLaunch(exec, stream), "cuGraphLaunch", name);
  }

  /** With the context current: launches blocks of a kernel. */
  void launch(CUfunction function, int blocks, Pointer arguments) {
    launch(function, blocks, 0, arguments);
  }

  /**
   * The same with more shared memory.
   *
   * @param sharedBytes what a block has besides what the kernel says
   */
  void launch(CUfunction function, int blocks, int sharedBytes, Pointer arguments) {
    int code =
        JCudaDriver.cuLaunchKernel(
            function, blocks, 1, 1, Layout.BLOCK, 1, 1, sharedBytes, stream, arguments, null);
    Cuda.check(code, "cuLaunchKernel", name);
  }

  /**
   * Has the driver compile a module, which may take a second: from a direct buffer, because for an
   * array the garbage collector would have to wait.
   *
   * @param name of the module, for messages
   * @param ptx direct, ends with a zero
   * @throws KernelBuildException with the compiler's log, if it refuses the text
   */
  CUmodule load(String name, ByteBuffer ptx) {
    CUmodule module = new CUmodule();
    ByteBuffer log = Cuda.direct(LOG_BYTES);
    // The size is a pointer by type; the driver replaces it by what it has written.
    Pointer values = Pointer.to(Pointer.to(log), Cuda.wrap(LOG_BYTES, new Pointer()));
    Cuda.Call call =
        () ->
            JCudaDriver.cuModuleLoadDataEx(
                module, Pointer.to(ptx), LOG_OPTIONS.length, LOG_OPTIONS, values);
    create(
        () -> Cuda.checkBuild(Cuda.code(call), "cuModuleLoadDataEx of " + name, this.name, log),
        () -> unload(module));
    return module;
  }

  void unload(CUmodule module) {
    releases.run(() -> JCudaDriver.cuModuleUnload(module), "cuModuleUnload");
  }

  CUfunction function(CUmodule module, String entry) {
    CUfunction function = new CUfunction();
    String operation = "cuModuleGetFunction of " + entry;
    run(
        operation,
        () -> {
          int code = Cuda.code(() -> JCudaDriver.cuModuleGetFunction(function, module, entry));
          if (code == CUresult.CUDA_ERROR_NOT_FOUND) {
            throw new KernelBuildException(
                Cuda.message(code, operation, name, 0)
                    + ": the kernel's module in Warmstep's jar has no such entry, get the jar again"
                    + " or compile the kernels with bin/build-ptx",
                null);
          }
          Cuda.check(code, operation, name);
        });
    return function;
  }

  /** Releases the streams that are not the caller's. */
  void close() {
    if (beside != null) {
      destroy(beside);
    }
    if (isOwned) {
      destroy(stream);
    }
  }
}
