package io.warmstep.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;

/**
 * A few bytes of device memory that the host reads while the stream goes on: they are copied to
 * pinned memory, and an event says when they are there. One reader at a time.
 */
final class HostCopy implements AutoCloseable {
  private final CudaContext context;
  private final CUdeviceptr source;
  private final int bytes;
  private final Pointer pinned;
  private final ByteBuffer content;
  private final CUevent arrival;
  private boolean isClosed;

  HostCopy(CudaContext context, long address, int bytes) {
    this.context = context;
    this.source = Cuda.pointer(address);
    this.bytes = bytes;
    this.arrival = context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING);
    try {
      this.pinned = context.allocateHost(bytes);
    } catch (RuntimeException | Error e) {
      context.destroyEvent(arrival);
      throw e;
    }
    this.content = pinned.getByteBuffer(0, bytes).order(ByteOrder.nativeOrder());
  }

  /** With the context current: asks for the copy, after what the stream has so far. */
  void start() {
    context.startReading(pinned, source, bytes);
    context.record(arrival);
  }

  /** With the context current: waits for the last copy, and for nothing that came later. */
  ByteBuffer await() {
    context.await(arrival);
    return content;
  }

  /** The stream must have done the last copy. */
  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      context.freeHost(pinned);
      context.destroyEvent(arrival);
    }
  }
}
