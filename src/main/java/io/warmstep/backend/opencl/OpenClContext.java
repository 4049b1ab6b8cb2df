package io.warmstep.backend.opencl;

import io.warmstep.BackendUnavailableException;
import java.nio.ByteBuffer;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_context;
import org.jocl.cl_context_properties;
import org.jocl.cl_device_id;
import org.jocl.cl_event;
import org.jocl.cl_kernel;
import org.jocl.cl_mem;

/**
 * A device's context and its in-order queue: everything asked of it happens in that order, but for
 * copies to the host of what nothing writes any more, which have a queue of their own.
 */
class OpenClContext implements AutoCloseable {
  /** OpenCL has no buffers without bytes. */
  private static final int MIN_BUFFER = 16;

  /** CL_MEM_ALLOW_UNRESTRICTED_SIZE_INTEL, which JOCL does not name. */
  private static final long ANY_SIZE = 1L << 23;

  /**
   * Held while contexts are created and released: JOCL 2.0.6 keeps their callbacks in a map of its
   * native code that two threads must not change at once.
   */
  private static final Object JOCL_CONTEXTS = new Object();

  final DeviceInfo device;
  final cl_context context;
  final cl_command_queue queue;
  private final Pointer zero = Pointer.to(OpenCl.direct(8));
  private cl_command_queue beside;
  private volatile boolean hasLargeBuffers;

  OpenClContext(DeviceInfo device, cl_context context, cl_command_queue queue) {
    this.device = device;
    this.context = context;
    this.queue = queue;
  }

  static OpenClContext create(DeviceInfo device) {
    cl_device_id[] devices = {device.id()};
    cl_context context =
        OpenCl.created(
            code -> {
              synchronized (JOCL_CONTEXTS) {
                return CL.clCreateContext(
                    new cl_context_properties(), 1, devices, null, null, code);
              }
            },
            "clCreateContext",
            device.name(),
            0);
    try {
      return new OpenClContext(device, context, newQueue(device, context));
    } catch (RuntimeException e) {
      release(context);
      throw e;
    }
  }

  private static void release(cl_context context) {
    OpenCl.released(
        () -> {
          synchronized (JOCL_CONTEXTS) {
            return CL.clReleaseContext(context);
          }
        },
        "clReleaseContext");
  }

  @SuppressWarnings("deprecation") // its successor is not in OpenCL 1.2
  private static cl_command_queue newQueue(DeviceInfo device, cl_context context) {
    return OpenCl.created(
        code -> CL.clCreateCommandQueue(context, device.id(), 0, code),
        "clCreateCommandQueue",
        device.name(),
        0);
  }

  /** The caller's; counted up here and down at the end, so theirs to free whenever they like. */
  static OpenClContext wrap(long contextHandle, long queueHandle) {
    cl_context context = OpenCl.wrap(contextHandle, new cl_context());
    cl_command_queue queue = OpenCl.wrap(queueHandle, new cl_command_queue());
    DeviceInfo device =
        DeviceInfo.of(OpenCl.wrap(queueInfo(queue, CL.CL_QUEUE_DEVICE), new cl_device_id()), -1);
    if (!device.isUsable()) {
      throw new BackendUnavailableException(device.name() + ": " + device.problem(), null);
    }
    if (queueInfo(queue, CL.CL_QUEUE_CONTEXT) != contextHandle) {
      throw new IllegalArgumentException("queue is of another context, must be of the one given");
    }
    if ((queueInfo(queue, CL.CL_QUEUE_PROPERTIES) & CL.CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        != 0) {
      throw new IllegalArgumentException(
          "queue runs out of order, must be one created without"
              + " CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE");
    }
    OpenCl.check(() -> CL.clRetainContext(context), "clRetainContext", device.name());
    OpenCl.check(() -> CL.clRetainCommandQueue(queue), "clRetainCommandQueue", device.name());
    return new OpenClContext(device, context, queue);
  }

  private static long queueInfo(cl_command_queue queue, int what) {
    return OpenCl.number(
        "clGetCommandQueueInfo",
        "the given queue",
        (size, value, sizeOut) -> CL.clGetCommandQueueInfo(queue, what, size, value, sizeOut));
  }

  /** Allocates a buffer of zeros. */
  cl_mem allocate(long bytes) {
    long size = Math.max(bytes, MIN_BUFFER);
    noteBuffer(size);
    long flags = CL.CL_MEM_READ_WRITE | (device.isLarge(size) ? ANY_SIZE : 0);
    cl_mem buffer =
        OpenCl.created(code -> create(flags, size, code), "clCreateBuffer", device.name(), size);
    try {
      zero(buffer, 0, size, 1);
      return buffer;
    } catch (RuntimeException e) {
      OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject");
      throw e;
    }
  }

  /** The driver's part of it; tests let it fail. */
  cl_mem create(long flags, long bytes, int[] code) {
    return CL.clCreateBuffer(context, flags, bytes, null, code);
  }

  /** Takes note of a buffer's size before kernels that work on it are built. */
  void noteBuffer(long bytes) {
    hasLargeBuffers |= device.isLarge(bytes);
  }

  /** What programs must be built with for the buffers there are. */
  String bufferOptions() {
    return hasLargeBuffers ? " -cl-intel-greater-than-4GB-buffer-required" : "";
  }

  /** Allocates a buffer that holds what a direct buffer has before its position. */
  cl_mem upload(ByteBuffer content) {
    cl_mem buffer = allocate(content.position());
    try {
      if (content.position() > 0) {
        write(buffer, 0, content.position(), Pointer.to(content.duplicate().flip()));
      }
      return buffer;
    } catch (RuntimeException e) {
      OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject");
      throw e;
    }
  }

  void zero(cl_mem buffer, long at, long bytes, int elementBytes) {
    if (bytes > 0) {
      fill(buffer, at, bytes, zero, elementBytes);
    }
  }

  /** Sets elements to one whose bytes are read before this returns. Allocates nothing. */
  void fill(cl_mem buffer, long at, long bytes, Pointer element, int elementBytes) {
    int code;
    try {
      code = CL.clEnqueueFillBuffer(queue, buffer, element, elementBytes, at, bytes, 0, null, null);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.check(code, "clEnqueueFillBuffer", device.name(), bytes);
  }

  /** Copies between buffers that do not overlap there. */
  void copy(cl_mem from, long fromByte, cl_mem to, long toByte, long bytes) {
    if (bytes > 0) {
      OpenCl.check(
          OpenCl.code(
              () ->
                  CL.clEnqueueCopyBuffer(queue, from, to, fromByte, toByte, bytes, 0, null, null)),
          "clEnqueueCopyBuffer",
          device.name(),
          bytes);
    }
  }

  /** Copies to the device and waits until it is done. */
  void write(cl_mem buffer, long at, long bytes, Pointer source) {
    int code;
    try {
      code = CL.clEnqueueWriteBuffer(queue, buffer, true, at, bytes, source, 0, null, null);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.check(code, "clEnqueueWriteBuffer", device.name(), bytes);
  }

  /** Launches a kernel of one dimension. */
  void launch(cl_kernel kernel, String name, long[] global, long[] local) {
    int code;
    try {
      code = CL.clEnqueueNDRangeKernel(queue, kernel, 1, null, global, local, 0, null, null);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.checkWork(code, name, device.name());
  }

  /** Copies from the device after all that was asked of it before. */
  void read(cl_mem buffer, long at, long bytes, Pointer target) {
    read(queue, buffer, at, bytes, target);
  }

  /** Copies from the device what nothing writes any more, beside what it still has to do. */
  void readSettled(cl_mem buffer, long at, long bytes, Pointer target) {
    read(beside(), buffer, at, bytes, target);
  }

  private synchronized cl_command_queue beside() {
    if (beside == null) {
      beside = newQueue(device, context);
    }
    return beside;
  }

  /** Blocking: a read that does not block starts a thread of JOCL's, and may outlive its event. */
  private void read(cl_command_queue queue, cl_mem buffer, long at, long bytes, Pointer target) {
    int code;
    try {
      code = CL.clEnqueueReadBuffer(queue, buffer, true, at, bytes, target, 0, null, null);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.checkWork(code, "clEnqueueReadBuffer", device.name());
  }

  void flush() {
    int code;
    try {
      code = CL.clFlush(queue);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.checkWork(code, "clFlush", device.name());
  }

  /** What is enqueued from now on waits for an event. */
  void waitFor(cl_event event) {
    OpenCl.check(
        () -> CL.clEnqueueBarrierWithWaitList(queue, 1, new cl_event[] {event}, null),
        "clEnqueueBarrierWithWaitList",
        device.name());
  }

  /** The same for what another queue has been given so far, which begins now if it had not yet. */
  void waitFor(cl_command_queue other) {
    cl_event event = marker(other);
    try {
      waitFor(event);
    } finally {
      OpenCl.released(() -> CL.clReleaseEvent(event), "clReleaseEvent");
    }
  }

  /** An event that happens once what was asked so far is done, which begins now. */
  cl_event marker() {
    return marker(queue);
  }

  private cl_event marker(cl_command_queue of) {
    cl_event event = new cl_event();
    OpenCl.check(
        () -> CL.clEnqueueMarkerWithWaitList(of, 0, null, event),
        "clEnqueueMarkerWithWaitList",
        device.name());
    try {
      OpenCl.checkWork(OpenCl.code(() -> CL.clFlush(of)), "clFlush", device.name());
    } catch (RuntimeException e) {
      OpenCl.released(() -> CL.clReleaseEvent(event), "clReleaseEvent");
      throw e;
    }
    return event;
  }

  /** How far an event's command is: CL_COMPLETE, above that before it, below if it failed. */
  int status(cl_event event) {
    return (int)
        OpenCl.number(
            "clGetEventInfo",
            device.name(),
            (size, value, sizeOut) ->
                CL.clGetEventInfo(
                    event, CL.CL_EVENT_COMMAND_EXECUTION_STATUS, size, value, sizeOut));
  }

  void await(cl_event event) {
    await(new cl_event[] {event});
  }

  /** Waits for a single event. Allocates nothing. */
  void await(cl_event[] event) {
    int code;
    try {
      code = CL.clWaitForEvents(1, event);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.checkWork(code, "clWaitForEvents", device.name());
  }

  /** Makes an event happen once what was asked so far is done, which begins now. */
  void mark(cl_event event) {
    int code;
    try {
      code = CL.clEnqueueMarkerWithWaitList(queue, 0, null, event);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.check(code, "clEnqueueMarkerWithWaitList", device.name());
    try {
      flush();
    } catch (RuntimeException e) {
      OpenCl.released(() -> CL.clReleaseEvent(event), "clReleaseEvent");
      throw e;
    }
  }

  void finish() {
    OpenCl.checkWork(OpenCl.code(() -> CL.clFinish(queue)), "clFinish", device.name());
  }

  @Override
  public void close() {
    if (beside != null) {
      OpenCl.released(() -> CL.clReleaseCommandQueue(beside), "clReleaseCommandQueue");
    }
    OpenCl.released(() -> CL.clReleaseCommandQueue(queue), "clReleaseCommandQueue");
    release(context);
  }
}
