package io.warmstep.backend.opencl;

import java.nio.ByteBuffer;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_kernel;
import org.jocl.cl_mem;
import org.jocl.cl_program;

/**
 * One kernel with its arguments and its number of work-groups, for one thread. OpenCL remembers
 * arguments from launch to launch, so only those that change are set again; neither that nor a
 * launch allocates.
 */
final class Kernel implements AutoCloseable {
  private final OpenClContext context;
  private final cl_kernel kernel;
  private final String name;
  private final ByteBuffer value = OpenCl.direct(8);
  private final Pointer valuePointer = Pointer.to(value);
  private final long[] global = new long[1];
  private final long[] local = new long[1];
  private boolean isClosed;

  Kernel(OpenClContext context, cl_program program, String name, int localSize) {
    this.context = context;
    this.name = name;
    this.kernel =
        OpenCl.created(
            code -> CL.clCreateKernel(program, name, code),
            "clCreateKernel",
            context.device.name(),
            0);
    this.local[0] = localSize;
  }

  Kernel workGroups(long count) {
    global[0] = count * local[0];
    return this;
  }

  /** For an entry that one work-item does. */
  Kernel single() {
    local[0] = 1;
    return workGroups(1);
  }

  void setInt(int index, int number) {
    value.putInt(0, number);
    set(index, Integer.BYTES, valuePointer);
  }

  void setLong(int index, long number) {
    value.putLong(0, number);
    set(index, Long.BYTES, valuePointer);
  }

  /** Sets a number of the arithmetic type. */
  void setReal(int index, double number, boolean isDouble) {
    if (isDouble) {
      value.putDouble(0, number);
    } else {
      value.putFloat(0, (float) number);
    }
    set(index, isDouble ? Double.BYTES : Float.BYTES, valuePointer);
  }

  void setBuffer(int index, cl_mem buffer) {
    set(index, Sizeof.cl_mem, Pointer.to(buffer));
  }

  void set(int index, int bytes, Pointer pointer) {
    int code;
    try {
      code = CL.clSetKernelArg(kernel, index, bytes, pointer);
    } catch (CLException e) {
      code = e.getStatus();
    }
    OpenCl.check(code, "clSetKernelArg", context.device.name());
  }

  void launch() {
    context.launch(kernel, name, global, local);
  }

  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      OpenCl.released(() -> CL.clReleaseKernel(kernel), "clReleaseKernel");
    }
  }
}
