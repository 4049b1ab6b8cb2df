package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.jocl.CL;
import org.jocl.cl_mem;
import org.jocl.cl_program;
import org.junit.jupiter.api.Test;

/**
 * A kernel that writes out of bounds, which bin/test runs on oclgrind before anything else, by
 * name: were its report not to arrive there, that of a mistake would not either.
 */
class OclgrindControl {
  private static final String OUT_OF_BOUNDS =
      "kernel void out_of_bounds(global int *a) { a[get_global_id(0) + 1000] = 1; }";

  @Test
  void writesOutOfBounds() {
    new OpenClBackend().report(); // loads JOCL
    try (OpenClContext context = OpenClContext.create(OpenClDevices.best());
        ReleaseStack resources = new ReleaseStack()) {
      String name = context.device.name() + ", " + context.device.driver();
      assertTrue(name.contains("Oclgrind"), name);
      cl_program program = Programs.build(context, "control", OUT_OF_BOUNDS, "-cl-std=CL1.2");
      cl_mem buffer = resources.add(context.allocate(16));
      Kernel kernel = resources.add(new Kernel(context, program, "out_of_bounds", 1));
      kernel.setBuffer(0, buffer);
      kernel.workGroups(1).launch();
      context.finish();
      CL.clReleaseProgram(program);
    }
  }
}
