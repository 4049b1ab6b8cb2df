package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.TestDevices;
import java.util.concurrent.locks.LockSupport;
import org.jocl.CL;
import org.jocl.cl_mem;

/** A context that can fail to allocate, and knows how much depends on it. */
final class FailingContext extends OpenClContext {
  private static final long PATIENCE_NANOS = 5_000_000_000L;

  private int untilFailure = Integer.MAX_VALUE;

  private FailingContext(OpenClContext created) {
    super(created.device, created.context, created.queue);
  }

  static FailingContext create() {
    new OpenClBackend().report(); // loads JOCL
    return new FailingContext(OpenClContext.create(OpenClDevices.best()));
  }

  /** Runs out of memory at an allocation, counted from now on from 1, and at no other. */
  void failAt(int allocation) {
    untilFailure = allocation;
  }

  /** Whether the allocation that was to fail has come. */
  boolean hasFailed() {
    return untilFailure <= 0;
  }

  @Override
  cl_mem create(long flags, long bytes, int[] code) {
    untilFailure--;
    if (untilFailure == 0) {
      code[0] = CL.CL_MEM_OBJECT_ALLOCATION_FAILURE;
      return null;
    }
    return super.create(flags, bytes, code);
  }

  /**
   * Buffers, programs and queues of the context that were not released: each holds a reference to
   * it in PoCL, and a kernel one to its program.
   */
  long references() {
    return OpenCl.number(
        "clGetContextInfo",
        device.name(),
        (size, value, sizeOut) ->
            CL.clGetContextInfo(context, CL.CL_CONTEXT_REFERENCE_COUNT, 4, value, sizeOut));
  }

  /** Waits a moment: the driver's threads drop what a command held only after it is finished. */
  void assertReferences(long expected, String what) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (references() != expected && System.nanoTime() < deadline) {
      LockSupport.parkNanos(1_000_000);
    }
    assertEquals(expected, references(), what + ": references to the context");
  }

  /** A device of this context, in its own shape. */
  Device open() {
    return TestDevices.of(OpenClDevice.over(this, WorkShape.of(device)));
  }
}
