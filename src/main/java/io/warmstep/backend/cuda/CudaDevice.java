package io.warmstep.backend.cuda;

import io.warmstep.CaptureRefusedException;
import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceScale;
import io.warmstep.backend.Mark;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StagedMemory.Staging;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.StreamTimer;
import io.warmstep.step.CapturedScale;
import io.warmstep.storage.Storage;
import java.util.List;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import jcuda.driver.CUcontext;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;

/** A CUDA device with its context, stream, kernels and memories. */
final class CudaDevice implements BackendDevice {
  /** Base of all locations: the driver gives every device's memory addresses of its own. */
  static final Object ADDRESSES = new Object();

  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final CudaContext context;
  private final DeviceReport report;
  private final Kernels kernels;
  private final Set<CudaMemory> allocated = ConcurrentHashMap.newKeySet();
  private final Set<CudaStepProgram> prepared = ConcurrentHashMap.newKeySet();
  private final Set<CudaCapturedStep> captured = ConcurrentHashMap.newKeySet();
  private final Set<CudaTimer> timers = ConcurrentHashMap.newKeySet();
  private final Set<CudaMark> marks = ConcurrentHashMap.newKeySet();

  /** Of parts that were collected; run where the caller calls, and so keeps the context. */
  private final Queue<Runnable> forgotten = new ConcurrentLinkedQueue<>();

  private final Staging staging = new Staging();
  private final CudaContext.Work refusal; // made once, so that a step allocates nothing
  private final CUcontext popped = new CUcontext();
  private boolean isClosed;

  private CudaDevice(CudaContext context) {
    this.context = context;
    this.report = context.deviceReport();
    this.kernels = new Kernels(context);
    this.refusal = context::refuseCapture;
  }

  static CudaDevice open(int index) {
    CudaContext context = CudaContext.open(index);
    try {
      return new CudaDevice(context);
    } catch (RuntimeException | Error e) {
      context.close();
      throw e;
    }
  }

  static CudaDevice wrap(long context, long stream) {
    return new CudaDevice(CudaContext.wrap(context, stream));
  }

  CudaContext context() {
    return context;
  }

  Kernels kernels() {
    return kernels;
  }

  @Override
  public DeviceReport report() {
    return report;
  }

  @Override
  public boolean isAccelerator() {
    return true;
  }

  /** The zeros are there when it returns: another stream of the caller's may use the memory. */
  @Override
  public Memory allocate(Storage storage, long length) {
    return allocate(storage, 0, length);
  }

  /** Where vectors of the parameters begin, those of their state do. */
  @Override
  public Memory allocateBeside(MemorySlice values, Storage storage, long length) {
    CudaMemory memory = (CudaMemory) values.memory();
    long place = memory.addressOf(values.offset()) / memory.type().bytes();
    int skipped = (int) Math.floorMod(place, (long) CudaSpan.lanes(storage.type()));
    return allocate(storage, skipped, length);
  }

  @Override
  public DeviceScale allocateScale() {
    return new CudaScale(context, allocate(Storage.of(ElementType.FLOAT32), 0, 1));
  }

  private CudaMemory allocate(Storage storage, int skipped, long length) {
    if (length > Long.MAX_VALUE / storage.type().bytes() - skipped) {
      throw new OutOfDeviceMemoryException(
          length + " " + storage + " are more bytes than any device has, " + report.device(), null);
    }
    freeForgotten();
    long bytes = length == 0 ? 0 : storage.bytes(skipped + length);
    long address = context.allocate(bytes);
    try {
      context.zero(address, bytes);
      context.synchronize();
    } catch (RuntimeException | Error e) {
      context.free(address);
      throw e;
    }
    CudaMemory memory = new CudaMemory(this, storage, address, skipped, length);
    allocated.add(memory);
    return memory;
  }

  /** The source is a raw CUdeviceptr as a {@code Long}. */
  @Override
  public Memory borrow(ElementType type, Object source, long offset, long length) {
    if (!(source instanceof Long handle)) {
      throw new IllegalArgumentException(
          "a CUDA device cannot use a "
              + source.getClass().getSimpleName()
              + " in place: borrow a device pointer with borrowHandle, or copy with copyOf or"
              + " allocate");
    }
    if (handle % type.bytes() != 0) {
      throw new IllegalArgumentException(
          "handle is 0x"
              + Long.toHexString(handle)
              + ", must be a multiple of "
              + type.bytes()
              + " for "
              + type);
    }
    long room = (Long.MAX_VALUE - Math.max(handle, 0)) / type.bytes();
    if (offset > room || length > room - offset) {
      throw new IllegalArgumentException(
          "offset "
              + offset
              + " and length "
              + length
              + " do not lie within the device's address space");
    }
    freeForgotten();
    checkWithin(type, handle, offset, length);
    return new CudaMemory(this, Storage.of(type), handle + offset * type.bytes(), length);
  }

  private void checkWithin(ElementType type, long handle, long offset, long length) {
    OptionalLong end = AddressRange.end(context, handle, handle + (offset + length) * type.bytes());
    if (end.isPresent() && (end.getAsLong() - handle) / type.bytes() < offset + length) {
      long bytes = end.getAsLong() - handle;
      throw new IllegalArgumentException(
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
              + type);
    }
  }

  /** True for the one call that has to free the memory; false for borrowed memory. */
  boolean forget(CudaMemory memory) {
    return allocated.remove(memory);
  }

  boolean forget(CudaStepProgram program) {
    return prepared.remove(program);
  }

  boolean forget(CudaCapturedStep step) {
    return captured.remove(step);
  }

  boolean forget(CudaTimer timer) {
    return timers.remove(timer);
  }

  boolean forget(CudaMark mark) {
    return marks.remove(mark);
  }

  @Override
  public StepProgram prepare(StepPlan plan) {
    freeForgotten();
    CudaStepProgram program = new CudaStepProgram(this, plan);
    prepared.add(program);
    return program;
  }

  /** A step of a plan and the passes behind it, for graphs. */
  CudaCapturedStep capture(StepPlan plan, StepPlan passes, CapturedScale scale) {
    if (plan.options().leafExchange() != null) {
      throw new CaptureRefusedException(
          "workers exchange the norm's leaves through the host, which no graph waits for: call"
              + " step()");
    }
    context.requireGraphs();
    freeForgotten();
    return ready(new CudaCapturedStep(this, plan, passes, scale, true, List.of()));
  }

  /** A step of a plan, without a graph, to be run in place of some launches. */
  CudaCapturedStep ahead(
      StepPlan plan, StepPlan passes, CapturedScale scale, List<CudaUpdate> others) {
    return ready(new CudaCapturedStep(this, plan, passes, scale, false, others));
  }

  private CudaCapturedStep ready(CudaCapturedStep step) {
    captured.add(step);
    return step;
  }

  @Override
  public StreamTimer timer() {
    freeForgotten();
    CudaTimer timer = new CudaTimer(this);
    timers.add(timer);
    return timer;
  }

  @Override
  public boolean isAsynchronous() {
    return true;
  }

  @Override
  public void refuseCapture() {
    context.run("cuStreamIsCapturing", refusal, popped);
  }

  @Override
  public Mark mark() {
    freeForgotten();
    CudaMark mark = new CudaMark(this);
    marks.add(mark);
    return mark;
  }

  @Override
  public void synchronize() {
    context.synchronize();
  }

  @Override
  public void waitForEvent(long event) {
    context.waitFor(Cuda.wrap(event, new CUevent()));
  }

  @Override
  public void waitForStream(long stream) {
    context.waitFor(Cuda.wrap(stream, new CUstream()));
  }

  Staging staging() {
    return staging;
  }

  /** Only the next caller is sure to have the context, and to capture no graph. */
  @Override
  public void reclaim(Runnable release) {
    forgotten.add(release);
  }

  private void freeForgotten() {
    for (Runnable next = forgotten.poll(); next != null; next = forgotten.poll()) {
      next.run();
    }
  }

  /** The caller's context may be gone by now; the process's own is there. */
  @Override
  public void reclaim() {
    if (context.isOwned()) {
      Releases.atAnyTime(this::close);
    } else if (!(allocated.isEmpty()
            && prepared.isEmpty()
            && captured.isEmpty()
            && timers.isEmpty()
            && marks.isEmpty())
        || !kernels.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "device cuda of a context of the caller's was never closed: what it allocated there is"
              + " freed when that context is destroyed");
    }
  }

  /** Frees what is left; the driver waits for work that still uses it. */
  @Override
  public void close() {
    synchronized (this) {
      if (isClosed) {
        return;
      }
      isClosed = true;
    }
    List.copyOf(captured).forEach(CudaCapturedStep::close);
    List.copyOf(prepared).forEach(CudaStepProgram::close);
    List.copyOf(timers).forEach(CudaTimer::close);
    List.copyOf(marks).forEach(CudaMark::close);
    List.copyOf(allocated).forEach(CudaMemory::close);
    forgotten.clear();
    kernels.close();
    context.close();
  }
}
