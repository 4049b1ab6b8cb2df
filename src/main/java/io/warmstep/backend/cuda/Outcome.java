package io.warmstep.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;

/**
 * A few bytes of the host's memory that a kernel writes and the host reads while the stream goes
 * on: an event says when they are there. One reader at a time.
 */
final class Outcome implements AutoCloseable {
  private final CudaContext context;
  private final Pointer pinned;
  private final long address;
  private final ByteBuffer content;
  private final CUevent arrival;
  private boolean isClosed;

  Outcome(CudaContext context, int bytes) {
    this.context = context;
    this.arrival = context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING);
    Pointer memory = null;
    try {
      memory = context.allocateHost(bytes);
      this.address = context.deviceAddress(memory);
    } catch (RuntimeException | Error e) {
      if (memory != null) {
        context.freeHost(memory);
      }
      context.destroyEvent(arrival);
      throw e;
    }
    this.pinned = memory;
    this.content = pinned.getByteBuffer(0, bytes).order(ByteOrder.nativeOrder());
  }

  /** Where the kernel writes. */
  long address() {
    return address;
  }

  /** With the context current: what the stream has so far is what will be waited for. */
  void mark() {
    context.record(arrival);
  }

  /** With the context current: waits for what was marked, and for nothing that came later. */
  ByteBuffer await() {
    context.await(arrival);
    return content;
  }

  /** The stream must have done what writes here. */
  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      context.freeHost(pinned);
      context.destroyEvent(arrival);
    }
  }
}
