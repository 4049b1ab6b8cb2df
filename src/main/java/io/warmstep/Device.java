package io.warmstep;

import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.storage.Storage;
import java.lang.ref.Reference;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Where parameters live and steps run. Opened by {@link Devices}; close it after everything that
 * lives on it. Several optimizers on one device may step in different threads.
 *
 * <p>Device memory and borrowed memory:
 *
 * <pre>{@code
 * try (Device device = Devices.require("cpu");
 *     Tensor owned = device.allocate(ElementType.BFLOAT16, 1000);
 *     Tensor lent = device.borrow(new float[] {1, 2, 3})) {
 *   System.out.println(device.report().device() + " has " + device.report().memoryBytes());
 * }
 * }</pre>
 *
 * <p>A device, tensor, parameter set, optimizer or timer that is garbage-collected without having
 * been closed is logged with the place where it was opened, and its resources are freed:
 *
 * <ul>
 *   <li>on the CPU, the device's threads end;
 *   <li>on OpenCL, all handles are released, including those of a queue that the caller lent;
 *   <li>on CUDA, memory and events of a tensor, parameter set, optimizer or timer are freed when
 *       the device next creates one of these or is closed, and a whole device that {@link
 *       Devices#require} opened is freed at once. Resources of a {@link Devices#wrapCuda} device
 *       that was never closed are left to the caller's context and freed with it: that context may
 *       have been destroyed by then.
 * </ul>
 */
public final class Device implements AutoCloseable {
  private final BackendDevice backend;
  private final Lifetime lifetime;

  /** Counts rebindings of borrowed tensors, so that optimizers know when to look for theirs. */
  private final AtomicLong rebindings = new AtomicLong();

  Device(BackendDevice backend) {
    this.backend = backend;
    this.lifetime = Lifetime.begin(this, "device " + backend.report().backend());
    this.lifetime.ifLost(backend::reclaim);
  }

  /**
   * Describes this device.
   *
   * @return the report that {@link Devices#report()} gave for it
   */
  public DeviceReport report() {
    return backend.report();
  }

  /**
   * The backend's name.
   *
   * @return {@code cpu}, {@code opencl} or {@code cuda}
   */
  public String name() {
    return report().backend();
  }

  /**
   * Whether the device is separate from the host's processor; false for an OpenCL driver that runs
   * on the processor.
   *
   * @return true for a GPU
   * @throws ClosedException if the device is closed
   */
  public boolean isAccelerator() {
    lifetime.checkOpen();
    return backend.isAccelerator();
  }

  /**
   * Whether parameters of a type can be stepped here. All devices support float32 and the half
   * types; some OpenCL devices do not compute in float64.
   *
   * @param type the type to check
   * @return true if so
   * @throws ClosedException if the device is closed
   */
  public boolean supports(ElementType type) {
    lifetime.checkOpen();
    return backend.supports(type);
  }

  /**
   * Allocates a tensor of zeros.
   *
   * @param type of its elements
   * @param length number of elements, 0 or more; above 2^31 is fine
   * @return the tensor, to be closed by the caller
   * @throws IllegalArgumentException if the length is negative
   * @throws OutOfDeviceMemoryException if there is not enough memory
   */
  public Tensor allocate(ElementType type, long length) {
    if (length < 0) {
      throw new IllegalArgumentException("length is " + length + ", must be 0 or more");
    }
    return new Tensor(this, allocateMemory(type, length), false);
  }

  /**
   * Allocates a float32 tensor and copies values into it.
   *
   * @param values copied once
   * @return the tensor, to be closed by the caller
   * @throws OutOfDeviceMemoryException if there is not enough memory
   */
  public Tensor copyOf(float[] values) {
    return filled(allocate(ElementType.FLOAT32, values.length), tensor -> tensor.copyFrom(values));
  }

  /**
   * Allocates a float64 tensor and copies values into it.
   *
   * @param values copied once
   * @return the tensor, to be closed by the caller
   * @throws OutOfDeviceMemoryException if there is not enough memory
   */
  public Tensor copyOf(double[] values) {
    return filled(allocate(ElementType.FLOAT64, values.length), tensor -> tensor.copyFrom(values));
  }

  /**
   * Uses an array as a float32 tensor, without a copy. CPU device only.
   *
   * @param array read and written by steps
   * @return a tensor over the whole array; closing it leaves the array alone
   * @throws IllegalArgumentException if this device cannot use arrays in place
   */
  public Tensor borrow(float[] array) {
    return borrow(array, 0, array.length);
  }

  /**
   * Uses a part of an array as a float32 tensor, without a copy. CPU device only.
   *
   * @param array read and written by steps
   * @param offset first index
   * @param length number of elements
   * @return a tensor over the part; closing it leaves the array alone
   * @throws IllegalArgumentException if the part is not within the array, or this device cannot use
   *     arrays in place
   */
  public Tensor borrow(float[] array, int offset, int length) {
    checkRange("float[]", array.length, offset, length);
    return borrowed(ElementType.FLOAT32, array, offset, length);
  }

  /**
   * Uses an array as a float64 tensor, without a copy. CPU device only.
   *
   * @param array read and written by steps
   * @return a tensor over the whole array; closing it leaves the array alone
   * @throws IllegalArgumentException if this device cannot use arrays in place
   */
  public Tensor borrow(double[] array) {
    return borrow(array, 0, array.length);
  }

  /**
   * Uses a part of an array as a float64 tensor, without a copy. CPU device only.
   *
   * @param array read and written by steps
   * @param offset first index
   * @param length number of elements
   * @return a tensor over the part; closing it leaves the array alone
   * @throws IllegalArgumentException if the part is not within the array, or this device cannot use
   *     arrays in place
   */
  public Tensor borrow(double[] array, int offset, int length) {
    checkRange("double[]", array.length, offset, length);
    return borrowed(ElementType.FLOAT64, array, offset, length);
  }

  /**
   * Uses an array of float16 or bfloat16 bits as a tensor, without a copy. CPU device only.
   *
   * @param type {@link ElementType#FLOAT16} or {@link ElementType#BFLOAT16}
   * @param bits read and written by steps
   * @return a tensor over the whole array; closing it leaves the array alone
   * @throws IllegalArgumentException if the type is not 16 bits wide, or this device cannot use
   *     arrays in place
   */
  public Tensor borrow(ElementType type, short[] bits) {
    if (!type.isHalf()) {
      throw new IllegalArgumentException(
          "type is " + type + ", a short[] holds float16 or bfloat16 bits");
    }
    return borrowed(type, bits, 0, bits.length);
  }

  /**
   * Uses a buffer's elements from position to limit as a float32 tensor, without a copy. CPU device
   * only. The buffer's own position and limit may change afterwards.
   *
   * @param buffer writable, in native byte order
   * @return a tensor over the buffer; closing it leaves the buffer alone
   * @throws IllegalArgumentException if the buffer is read-only or in foreign byte order, or this
   *     device cannot use buffers in place
   */
  public Tensor borrow(FloatBuffer buffer) {
    checkBuffer(buffer, buffer.order());
    return borrowed(ElementType.FLOAT32, buffer.slice(), 0, buffer.remaining());
  }

  /**
   * Uses a buffer's elements from position to limit as a float64 tensor, without a copy. CPU device
   * only. The buffer's own position and limit may change afterwards.
   *
   * @param buffer writable, in native byte order
   * @return a tensor over the buffer; closing it leaves the buffer alone
   * @throws IllegalArgumentException if the buffer is read-only or in foreign byte order, or this
   *     device cannot use buffers in place
   */
  public Tensor borrow(DoubleBuffer buffer) {
    checkBuffer(buffer, buffer.order());
    return borrowed(ElementType.FLOAT64, buffer.slice(), 0, buffer.remaining());
  }

  /**
   * Uses a buffer's bytes from position to limit as a tensor, without a copy. CPU device only. The
   * buffer's own position and limit may change afterwards.
   *
   * @param type of the elements in the buffer
   * @param buffer writable, in native byte order, its remaining bytes a multiple of the element
   *     size
   * @return a tensor over the buffer; closing it leaves the buffer alone
   * @throws IllegalArgumentException if the buffer is read-only, in foreign byte order or of a
   *     wrong size, or this device cannot use buffers in place
   */
  public Tensor borrow(ElementType type, ByteBuffer buffer) {
    checkBuffer(buffer, buffer.order());
    if (buffer.remaining() % type.bytes() != 0) {
      throw new IllegalArgumentException(
          "buffer has "
              + buffer.remaining()
              + " bytes remaining, must be a multiple of "
              + type.bytes()
              + " for "
              + type);
    }
    ByteBuffer bytes = buffer.slice().order(ByteOrder.nativeOrder());
    Buffer elements = Storage.of(type).view(bytes);
    return borrowed(type, elements, 0, elements.remaining());
  }

  /**
   * Uses a part of the driver's own memory as a tensor, without a copy. On OpenCL the handle is a
   * cl_mem of the device's context, a buffer or a sub-buffer; on CUDA it is a CUdeviceptr, which
   * may point into an allocation. {@link JCudaHandles} reads the handles of JCuda objects; JOCL
   * objects have {@code getNativePointer()}. The memory must stay allocated until the tensor is
   * closed, and the caller's accesses must be ordered with this device's queue or stream. The
   * stream of a CUDA device that {@link Devices#require} opened is ordered only with the legacy
   * default stream: for work in other streams, wait on both sides ({@link #synchronize} on this
   * one), or use a device that wraps the caller's stream.
   *
   * @param type of the elements
   * @param handle the raw handle, as the driver gave it
   * @param offset elements before the first
   * @param length number of elements; above 2^31 is fine
   * @return a tensor over the part; closing it leaves the memory alone
   * @throws IllegalArgumentException if the handle is 0, offset or length is negative, the part is
   *     not within the memory, or this device has no such handles. CUDA bounds are checked for
   *     memory from cuMemAlloc, memory pools and mappings; for other memory, such as managed
   *     memory, the caller is trusted
   */
  public Tensor borrowHandle(ElementType type, long handle, long offset, long length) {
    if (handle == 0) {
      throw new IllegalArgumentException("handle is 0, must be one that the driver gave");
    }
    if (offset < 0 || length < 0) {
      throw new IllegalArgumentException(
          "offset " + offset + " and length " + length + " must both be 0 or more");
    }
    return borrowed(type, handle, offset, length);
  }

  /**
   * Creates a timer for this device's work.
   *
   * @return the timer, to be closed before the device
   * @throws ClosedException if the device is closed
   */
  public DeviceTimer timer() {
    return new DeviceTimer(this);
  }

  /**
   * Makes subsequent steps and copies wait on the device for the caller's event, such as one that
   * the caller's own stream recorded after the kernels that write gradients. The host does not
   * wait.
   *
   * <p>Steps, copies and all other work of this device run in the order of the calls. On CUDA, a
   * device that {@link Devices#require} opened has its own stream, which is also ordered with the
   * legacy default stream, but not with streams created as non-blocking, nor with per-thread
   * default streams; a {@link Devices#wrapCuda} device uses the caller's stream. On OpenCL each
   * queue has its own order. For the other direction, record an event in the stream that this
   * device wraps, or {@link #synchronize}.
   *
   * @param event the raw handle: a CUevent of the same CUDA process that was recorded, or a
   *     cl_event of the device's OpenCL context
   * @throws IllegalArgumentException if the handle is 0, or this is a CPU device, whose steps run
   *     in the calling thread
   * @throws DeviceException if the driver rejects the event
   * @throws ClosedException if the device is closed
   */
  public void waitForEvent(long event) {
    requireHandle("event", event);
    try {
      backend().waitForEvent(event);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Like {@link #waitForEvent}, for all work enqueued so far on another stream or queue.
   *
   * @param stream the raw handle: a CUstream of the device's CUDA context, or a cl_command_queue of
   *     its OpenCL context
   * @throws IllegalArgumentException if the handle is 0, or this is a CPU device
   * @throws DeviceException if the driver rejects the stream
   * @throws ClosedException if the device is closed
   */
  public void waitForStream(long stream) {
    requireHandle("stream", stream);
    try {
      backend().waitForStream(stream);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  private static void requireHandle(String name, long handle) {
    if (handle == 0) {
      throw new IllegalArgumentException(
          name + " is 0, must be a raw handle: give the driver's own, which is never 0");
    }
  }

  /**
   * Waits until all steps and copies are done.
   *
   * @throws ClosedException if the device is closed
   */
  public void synchronize() {
    try {
      backend().synchronize();
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** Closes the device and frees what is still allocated on it. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end()) {
      backend.close();
    }
  }

  @Override
  public String toString() {
    return name() + " (" + report().device() + ")";
  }

  BackendDevice backend() {
    lifetime.checkOpen();
    return backend;
  }

  Memory allocateMemory(ElementType type, long length) {
    return backend().allocate(Storage.of(type), length);
  }

  void countRebinding() {
    rebindings.incrementAndGet();
  }

  long rebindings() {
    return rebindings.get();
  }

  boolean isOpen() {
    return lifetime.isOpen();
  }

  private static Tensor filled(Tensor tensor, Consumer<Tensor> fill) {
    try {
      fill.accept(tensor);
      return tensor;
    } catch (RuntimeException | Error e) {
      tensor.close();
      throw e;
    }
  }

  private Tensor borrowed(ElementType type, Object source, long offset, long length) {
    return new Tensor(this, backend().borrow(type, source, offset, length), true);
  }

  private static void checkRange(String what, int size, int offset, int length) {
    if (offset < 0 || length < 0 || offset > size - length) {
      throw new IllegalArgumentException(
          "offset "
              + offset
              + " and length "
              + length
              + " do not lie within a "
              + what
              + " of "
              + size);
    }
  }

  private static void checkBuffer(Buffer buffer, ByteOrder order) {
    if (buffer.isReadOnly()) {
      throw new IllegalArgumentException("buffer is read-only, must be writable");
    }
    if (order != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException(
          "buffer is in "
              + order
              + " order, must be in this machine's: call order("
              + "ByteOrder.nativeOrder()) on the byte buffer first");
    }
  }
}
