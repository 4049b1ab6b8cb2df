package io.warmstep.backend.opencl;

import io.warmstep.backend.BackendDevice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jocl.CL;
import org.jocl.cl_command_queue;
import org.jocl.cl_program;

/**
 * OpenCL devices for tests. Each gets a context that an earlier one has left, with the programs
 * that were built in it: PoCL reads its library of functions for each context that compiles, which
 * takes half a second, and does some of the work for each program that it has compiled before.
 * Devices that are open at the same time have contexts of their own, as any two devices do.
 */
public final class OpenClTestDevices {
  private static final List<Kept> KEPT = new ArrayList<>();

  private OpenClTestDevices() {}

  /** As users open it. */
  public static BackendDevice openInOwnShape() {
    return open(WorkShape.of(best()));
  }

  /** With work-groups as on a GPU; on a GPU, with the narrow vectors of a processor. */
  public static BackendDevice openInOtherShape() {
    DeviceInfo device = best();
    return open(
        device.isAccelerator()
            ? WorkShape.ofProcessor(8, 4)
            : WorkShape.ofGpu(device.maxWorkGroup()));
  }

  static BackendDevice open(WorkShape shape) {
    Lent context = lend();
    return OpenClDevice.over(context, new Programs(context, shape, context.kept.programs));
  }

  /** A context with a queue of its own, which nothing else uses until it is closed. */
  static OpenClContext context() {
    return lend();
  }

  private static Lent lend() {
    DeviceInfo device = best();
    synchronized (KEPT) {
      Kept free =
          KEPT.stream().filter(kept -> !kept.isLent).findFirst().orElseGet(() -> another(device));
      OpenCl.check(
          () -> CL.clRetainContext(free.context.context), "clRetainContext", device.name());
      free.isLent = true;
      return new Lent(free);
    }
  }

  private static Kept another(DeviceInfo device) {
    Kept kept = new Kept(OpenClContext.create(device));
    KEPT.add(kept);
    return kept;
  }

  private static DeviceInfo best() {
    new OpenClBackend().report(); // loads JOCL
    return OpenClDevices.best();
  }

  private static final class Kept {
    private final OpenClContext context;
    private final Map<String, cl_program> programs = new HashMap<>();
    private boolean isLent;

    private Kept(OpenClContext context) {
      this.context = context;
    }
  }

  private static final class Lent extends OpenClContext {
    private final Kept kept;

    private Lent(Kept kept) {
      super(kept.context.device, kept.context.context, newQueue(kept.context));
      this.kept = kept;
    }

    @SuppressWarnings("deprecation") // its successor is not in OpenCL 1.2
    private static cl_command_queue newQueue(OpenClContext of) {
      return OpenCl.created(
          code -> CL.clCreateCommandQueue(of.context, of.device.id(), 0, code),
          "clCreateCommandQueue",
          of.device.name(),
          0);
    }

    @Override
    public void close() {
      super.close();
      synchronized (KEPT) {
        kept.isLent = false;
      }
    }
  }
}
