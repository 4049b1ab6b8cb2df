package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Sgd;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_event;
import org.jocl.cl_mem;
import org.jocl.cl_queue_properties;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Steps that wait on the device for what the caller's own queue does, or an event of theirs. */
@Tag("opencl")
class OpenClOrderTest {
  private static final int LENGTH = 1000;

  @Test
  void aStepWaitsForAnEvent() throws InterruptedException {
    new OpenClBackend().report(); // loads JOCL
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best());
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer());
        Parameters parameters =
            Parameters.on(device).add("w", ElementType.FLOAT32, LENGTH).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
      parameters.get("w").gradients().copyFrom(filled(1));
      optimizer.step();
      device.synchronize();
      int[] code = new int[1];
      cl_event event = CL.clCreateUserEvent(own.context, code);
      assertEquals(CL.CL_SUCCESS, code[0]);
      device.waitForEvent(event.getNativePointer());
      optimizer.step();
      cl_event behind = new cl_event();
      CL.clEnqueueMarkerWithWaitList(own.queue, 0, null, behind);
      CL.clFlush(own.queue);
      Thread.sleep(100); // time for a step that does not wait
      assertFalse(isComplete(behind), "the step has not waited");
      CL.clSetUserEventStatus(event, CL.CL_COMPLETE);
      device.synchronize();
      assertTrue(isComplete(behind));
      assertArrayEquals(filled(-2), parameters.get("w").values().toFloats());
      CL.clReleaseEvent(event);
      CL.clReleaseEvent(behind);
      assertThrows(IllegalArgumentException.class, () -> device.waitForEvent(0));
      assertThrows(IllegalArgumentException.class, () -> device.waitForStream(0));
    }
  }

  /**
   * The other queue writes gradients, behind an event that has not happened when step() returns.
   */
  @Test
  void aStepWaitsForAQueue() {
    new OpenClBackend().report(); // loads JOCL
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best());
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      int[] code = new int[1];
      cl_command_queue other =
          CL.clCreateCommandQueueWithProperties(
              own.context, own.device.id(), new cl_queue_properties(), code);
      assertEquals(CL.CL_SUCCESS, code[0]);
      cl_mem buffer = own.allocate((long) LENGTH * Float.BYTES);
      try (Tensor gradients =
              device.borrowHandle(ElementType.FLOAT32, buffer.getNativePointer(), 0, LENGTH);
          Tensor values = device.allocate(ElementType.FLOAT32, LENGTH);
          Parameters parameters = Parameters.on(device).borrow("w", values, gradients).build();
          Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
        gradients.zero();
        device.synchronize();
        cl_event event = CL.clCreateUserEvent(own.context, code);
        assertEquals(CL.CL_SUCCESS, code[0]);
        ByteBuffer pattern = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.nativeOrder());
        pattern.putFloat(0, 3);
        assertEquals(
            CL.CL_SUCCESS,
            CL.clEnqueueFillBuffer(
                other,
                buffer,
                Pointer.toBuffer(pattern),
                Float.BYTES,
                0,
                (long) LENGTH * Float.BYTES,
                1,
                new cl_event[] {event},
                null));
        device.waitForStream(other.getNativePointer());
        optimizer.step();
        CL.clSetUserEventStatus(event, CL.CL_COMPLETE);
        assertArrayEquals(filled(-3), values.toFloats());
        CL.clReleaseEvent(event);
      }
      CL.clReleaseCommandQueue(other);
      CL.clReleaseMemObject(buffer);
    }
  }

  private static boolean isComplete(cl_event event) {
    int[] status = new int[1];
    CL.clGetEventInfo(
        event, CL.CL_EVENT_COMMAND_EXECUTION_STATUS, Integer.BYTES, Pointer.to(status), null);
    return status[0] == CL.CL_COMPLETE;
  }

  private static float[] filled(float value) {
    float[] values = new float[LENGTH];
    Arrays.fill(values, value);
    return values;
  }
}
