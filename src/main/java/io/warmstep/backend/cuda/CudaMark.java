package io.warmstep.backend.cuda;

import io.warmstep.backend.Mark;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;

/** An event of the stream. */
final class CudaMark implements Mark {
  private final CudaDevice device;
  private final CudaContext context;
  private final CUevent event;

  CudaMark(CudaDevice device) {
    this.device = device;
    this.context = device.context();
    this.event = context.newEvent(CUevent_flags.CU_EVENT_DISABLE_TIMING);
  }

  @Override
  public void set() {
    context.run("cuEventRecord", () -> context.record(event));
  }

  @Override
  public boolean isReached() {
    boolean[] isReached = new boolean[1];
    context.run("cuEventQuery", () -> isReached[0] = context.hasHappened(event));
    return isReached[0];
  }

  @Override
  public void await() {
    context.run("cuEventSynchronize", () -> context.await(event));
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      context.destroyEvent(event);
    }
  }
}
