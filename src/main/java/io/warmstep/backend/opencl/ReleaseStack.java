package io.warmstep.backend.opencl;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jocl.CL;
import org.jocl.cl_mem;

/** What a prepared step holds on the device, released together, last first. */
final class ReleaseStack implements AutoCloseable {
  private final Deque<Runnable> releases = new ArrayDeque<>();

  cl_mem add(cl_mem buffer) {
    releases.push(() -> OpenCl.released(() -> CL.clReleaseMemObject(buffer), "clReleaseMemObject"));
    return buffer;
  }

  Kernel add(Kernel kernel) {
    releases.push(kernel::close);
    return kernel;
  }

  Segments add(Segments segments) {
    releases.push(segments::close);
    return segments;
  }

  MeasuredUpdate add(MeasuredUpdate update) {
    releases.push(update::close);
    return update;
  }

  AheadRing add(AheadRing ring) {
    releases.push(ring::close);
    return ring;
  }

  OpenClNorm add(OpenClNorm norm) {
    releases.push(norm::close);
    return norm;
  }

  @Override
  public void close() {
    while (!releases.isEmpty()) {
      releases.pop().run();
    }
  }
}
