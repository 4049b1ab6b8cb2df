package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.jocl.CL;
import org.jocl.cl_mem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Buffers above 4 GiB on Intel's GPUs, which need a flag and kernels that were built for them. No
 * such buffer is allocated: another device stands in for the GPU.
 */
@Tag("opencl")
class LargeBuffersTest {
  private static final long CL_MEM_ALLOW_UNRESTRICTED_SIZE_INTEL = 1L << 23;

  /** Says that it is an Intel GPU, and makes small buffers whatever size they should have. */
  private static final class IntelContext extends OpenClContext {
    final List<Long> flags = new ArrayList<>();

    private IntelContext(OpenClContext created, DeviceInfo device) {
      super(device, created.context, created.queue);
    }

    static IntelContext create() {
      new OpenClBackend().report(); // loads JOCL
      DeviceInfo real = OpenClDevices.best();
      DeviceInfo intel =
          new DeviceInfo(
              real.id(),
              real.index(),
              "an Intel GPU",
              "OpenCL 3.0 NEO , driver 24.1",
              64L << 30,
              true,
              false,
              "",
              real.hasDouble(),
              real.floatConfig(),
              real.floatLanes(),
              real.doubleLanes(),
              real.maxWorkGroup(),
              real.maxParameterBytes());
      return new IntelContext(OpenClContext.create(real), intel);
    }

    @Override
    cl_mem create(long flags, long bytes, int[] code) {
      this.flags.add(flags);
      return super.create(CL.CL_MEM_READ_WRITE, 16, code);
    }

    @Override
    void zero(cl_mem buffer, long at, long bytes, int elementBytes) {}
  }

  private static void allocate(OpenClContext context, long bytes) {
    CL.clReleaseMemObject(context.allocate(bytes));
  }

  @Test
  void areAllocatedWithTheirFlagAndBuiltFor() {
    try (IntelContext context = IntelContext.create()) {
      allocate(context, 1L << 32);
      assertEquals("", context.bufferOptions());
      allocate(context, (1L << 32) + 1);
      assertEquals(" -cl-intel-greater-than-4GB-buffer-required", context.bufferOptions());
      allocate(context, 100);
      assertEquals(
          List.of(
              CL.CL_MEM_READ_WRITE,
              CL.CL_MEM_READ_WRITE | CL_MEM_ALLOW_UNRESTRICTED_SIZE_INTEL,
              CL.CL_MEM_READ_WRITE),
          context.flags);
    }
  }

  @Test
  void ofACallerAreBuiltForToo() {
    try (IntelContext context = IntelContext.create()) {
      context.noteBuffer(5L << 30);
      assertEquals(" -cl-intel-greater-than-4GB-buffer-required", context.bufferOptions());
    }
  }

  @Test
  void elsewhereNeedNothing() {
    new OpenClBackend().report();
    try (OpenClContext context = OpenClContext.create(OpenClDevices.best())) {
      context.noteBuffer(5L << 30);
      assertEquals("", context.bufferOptions());
    }
  }
}
