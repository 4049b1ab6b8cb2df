package io.warmstep.backend.opencl;

import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceScale;
import io.warmstep.backend.Mark;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StagedMemory.Staging;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.step.CapturedScale;
import io.warmstep.storage.Storage;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jocl.CL;
import org.jocl.cl_command_queue;
import org.jocl.cl_event;
import org.jocl.cl_mem;

/** An OpenCL device with its context, queue, built programs and memories. */
final class OpenClDevice implements BackendDevice {
  /** Flags of buffers that cannot be used for everything. */
  private static final long RESTRICTED =
      CL.CL_MEM_READ_ONLY
          | CL.CL_MEM_WRITE_ONLY
          | CL.CL_MEM_HOST_NO_ACCESS
          | CL.CL_MEM_HOST_READ_ONLY
          | CL.CL_MEM_HOST_WRITE_ONLY;

  private final OpenClContext context;
  private final DeviceReport report;
  private final Programs programs;
  private final Set<OpenClMemory> memories = ConcurrentHashMap.newKeySet();
  private final Set<OpenClStepProgram> prepared = ConcurrentHashMap.newKeySet();
  private final Set<OpenClMark> marks = ConcurrentHashMap.newKeySet();
  private final Map<Long, Object> borrowedBases = new ConcurrentHashMap<>();
  private final Staging staging = new Staging();
  private boolean isClosed;

  private OpenClDevice(OpenClContext context, Programs programs) {
    this.context = context;
    this.report = context.device.report();
    this.programs = programs;
  }

  static OpenClDevice open(DeviceInfo device) {
    return open(device, WorkShape.of(device));
  }

  /** A device with another shape of work than its own; for tests. */
  static OpenClDevice open(DeviceInfo device, WorkShape shape) {
    return over(OpenClContext.create(device), shape);
  }

  /** A device that closes the context with it. */
  static OpenClDevice over(OpenClContext context, WorkShape shape) {
    return over(context, new Programs(context, shape));
  }

  /** The same with programs of that context. */
  static OpenClDevice over(OpenClContext context, Programs programs) {
    return new OpenClDevice(context, programs);
  }

  static OpenClDevice wrap(long context, long queue) {
    OpenClContext wrapped = OpenClContext.wrap(context, queue);
    SignalHandlers.warnOf(wrapped.device);
    return over(wrapped, WorkShape.of(wrapped.device));
  }

  OpenClContext context() {
    return context;
  }

  @Override
  public DeviceReport report() {
    return report;
  }

  @Override
  public boolean isAccelerator() {
    return context.device.isAccelerator();
  }

  @Override
  public boolean supports(ElementType type) {
    return type != ElementType.FLOAT64 || context.device.hasDouble();
  }

  @Override
  public DeviceScale allocateScale() {
    return new OpenClScale(context, allocateOwn(Storage.of(ElementType.FLOAT32), 1));
  }

  @Override
  public Memory allocate(Storage storage, long length) {
    return allocateOwn(storage, length);
  }

  private OpenClMemory allocateOwn(Storage storage, long length) {
    if (length > Long.MAX_VALUE / storage.type().bytes()) {
      throw new OutOfDeviceMemoryException(
          length + " " + storage + " are more bytes than any device has, " + report.device(), null);
    }
    return remember(
        new OpenClMemory(
            this, storage, context.allocate(storage.bytes(length)), 0, length, 0, null));
  }

  /** The source is a raw cl_mem as a {@code Long}. */
  @Override
  public Memory borrow(ElementType type, Object source, long offset, long length) {
    if (!(source instanceof Long handle)) {
      throw new IllegalArgumentException(
          "an OpenCL device cannot use a "
              + source.getClass().getSimpleName()
              + " in place: borrow a cl_mem with borrowHandle, or copy with copyOf or allocate");
    }
    cl_mem buffer = OpenCl.wrap(handle, new cl_mem());
    checkUse(buffer);
    long bytes = info(buffer, CL.CL_MEM_SIZE);
    long elements = bytes / type.bytes();
    if (offset > elements - length) {
      throw new IllegalArgumentException(
          "offset "
              + offset
              + " and length "
              + length
              + " do not lie within a buffer of "
              + elements
              + " "
              + type);
    }
    if (info(buffer, CL.CL_MEM_CONTEXT) != context.context.getNativePointer()) {
      throw new IllegalArgumentException(
          "buffer is of another OpenCL context, must be of this device's: open the device with"
              + " Devices.wrapOpenCl");
    }
    context.noteBuffer(bytes);
    // A sub-buffer is a part of another buffer; overlaps are looked for in the whole.
    long parent = info(buffer, CL.CL_MEM_ASSOCIATED_MEMOBJECT);
    long start = parent == 0 ? 0 : info(buffer, CL.CL_MEM_OFFSET);
    Object base = borrowedBases.computeIfAbsent(parent == 0 ? handle : parent, key -> new Object());
    OpenCl.check(() -> CL.clRetainMemObject(buffer), "clRetainMemObject", report.device());
    Memory.Location location = new Memory.Location(base, start + offset * type.bytes());
    // The device places what it allocates at vectors; the caller's own memory lies as it does.
    long baseBits = info(buffer, CL.CL_MEM_HOST_PTR) | start;
    return remember(
        new OpenClMemory(this, Storage.of(type), buffer, offset, length, baseBits, location));
  }

  /** That kernels and copies may both read and write a caller's buffer. */
  private void checkUse(cl_mem buffer) {
    if (info(buffer, CL.CL_MEM_TYPE) != CL.CL_MEM_OBJECT_BUFFER) {
      throw new IllegalArgumentException(
          "handle is of an image or a pipe, must be of a buffer, as clCreateBuffer makes them");
    }
    if ((info(buffer, CL.CL_MEM_FLAGS) & RESTRICTED) != 0) {
      throw new IllegalArgumentException(
          "buffer may not be both read and written by kernels and by the host: create it with"
              + " CL_MEM_READ_WRITE and without CL_MEM_HOST_NO_ACCESS, _READ_ONLY or _WRITE_ONLY");
    }
  }

  private long info(cl_mem buffer, int what) {
    return OpenCl.number(
        "clGetMemObjectInfo",
        report.device(),
        (size, value, sizeOut) -> CL.clGetMemObjectInfo(buffer, what, size, value, sizeOut));
  }

  private OpenClMemory remember(OpenClMemory memory) {
    memories.add(memory);
    return memory;
  }

  /** True for the one call that has to free the memory. */
  boolean forget(OpenClMemory memory) {
    return memories.remove(memory);
  }

  /** True for the one call that has to release the program. */
  boolean forget(OpenClStepProgram program) {
    return prepared.remove(program);
  }

  boolean forget(OpenClMark mark) {
    return marks.remove(mark);
  }

  @Override
  public StepProgram prepare(StepPlan plan) {
    OpenClStepProgram program = new OpenClStepProgram(this, programs, plan);
    prepared.add(program);
    return program;
  }

  /** The same without a wait for its outcome; null if the plan or the device has none. */
  OpenClAheadStep ahead(
      StepPlan plan, StepPlan passes, CapturedScale scale, OpenClStepProgram plain) {
    OpenClAheadStep ahead = OpenClAheadStep.of(this, programs, plan, passes, scale, plain);
    if (ahead != null) {
      prepared.add(ahead.step());
      prepared.add(ahead.passes());
    }
    return ahead;
  }

  @Override
  public boolean isAsynchronous() {
    return true;
  }

  @Override
  public Mark mark() {
    OpenClMark mark = new OpenClMark(this);
    marks.add(mark);
    return mark;
  }

  @Override
  public void synchronize() {
    context.finish();
  }

  @Override
  public void waitForEvent(long event) {
    context.waitFor(OpenCl.wrap(event, new cl_event()));
  }

  @Override
  public void waitForStream(long stream) {
    context.waitFor(OpenCl.wrap(stream, new cl_command_queue()));
  }

  Staging staging() {
    return staging;
  }

  @Override
  public void close() {
    synchronized (this) {
      if (isClosed) {
        return;
      }
      isClosed = true;
    }
    // What is still running uses the memory; its failure is too late.
    OpenCl.released(() -> CL.clFinish(context.queue), "clFinish");
    List.copyOf(prepared).forEach(OpenClStepProgram::close);
    List.copyOf(marks).forEach(OpenClMark::close);
    List.copyOf(memories).forEach(OpenClMemory::close);
    programs.close();
    context.close();
  }
}
