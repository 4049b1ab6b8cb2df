package io.warmstep.backend.opencl;

import org.jocl.CL;
import org.jocl.cl_event;

/**
 * A place in a queue's work that a step waits for; used again, so that a step allocates nothing.
 */
final class OpenClEvent implements AutoCloseable {
  private final OpenClContext context;
  private final cl_event[] event = {new cl_event()};
  private final OpenCl.Call release = () -> CL.clReleaseEvent(event[0]);
  private boolean isSet;

  OpenClEvent(OpenClContext context) {
    this.context = context;
  }

  /** What was asked of the queue so far is what will be waited for, and begins now. */
  void set() {
    close();
    context.mark(event[0]);
    isSet = true;
  }

  /** Waits for that, and for nothing that came later. */
  void await() {
    context.await(event);
    close();
  }

  @Override
  public void close() {
    if (isSet) {
      isSet = false;
      OpenCl.released(release, "clReleaseEvent");
    }
  }
}
