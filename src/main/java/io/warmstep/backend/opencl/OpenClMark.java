package io.warmstep.backend.opencl;

import io.warmstep.backend.Mark;
import org.jocl.CL;
import org.jocl.cl_event;

/** An event of the queue. */
final class OpenClMark implements Mark {
  private final OpenClDevice device;
  private final OpenClContext context;
  private cl_event event;

  OpenClMark(OpenClDevice device) {
    this.device = device;
    this.context = device.context();
  }

  @Override
  public void set() {
    cl_event next = context.marker();
    release();
    event = next;
  }

  @Override
  public boolean isReached() {
    // Negative where a command failed, which is reported to whoever reads next.
    return context.status(event) <= CL.CL_COMPLETE;
  }

  @Override
  public void await() {
    context.await(event);
  }

  private void release() {
    if (event != null) {
      cl_event former = event;
      OpenCl.released(() -> CL.clReleaseEvent(former), "clReleaseEvent");
      event = null;
    }
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      release();
    }
  }
}
