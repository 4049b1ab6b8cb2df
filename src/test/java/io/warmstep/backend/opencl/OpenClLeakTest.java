package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Garbage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.locks.LockSupport;
import org.jocl.CL;
import org.jocl.cl_mem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is created is released again, whether it works or not. */
@Tag("opencl")
class OpenClLeakTest {
  private static final int TENSORS = 10;
  private static final int CYCLES = 10_000;

  /** Elements of a cycle's parameter: one buffer left behind in each would be 390 MiB. */
  private static final int LENGTH = 10_000;

  /** Of steps that are waited for, and of those of which the device decides whether they happen. */
  @ParameterizedTest(name = "skipNonFinite({0})")
  @ValueSource(booleans = {false, true})
  void outOfMemoryAtEachAllocationOfTenTensorsLeavesTheDeviceUsable(boolean skips) {
    FailingContext context = FailingContext.create();
    try (Device device = context.open()) {
      float[] expected = train(device, skips);
      final long references = settled(context);
      int failures = 0;
      for (int allocation = 1; ; allocation++) {
        context.failAt(allocation);
        try {
          train(device, skips);
          assertTrue(!context.hasFailed(), "allocation " + allocation + " failed unnoticed");
          break;
        } catch (OutOfDeviceMemoryException e) {
          failures++;
          assertTrue(
              e.getMessage().contains("CL_MEM_OBJECT_ALLOCATION_FAILURE")
                  && e.getMessage().contains("use fewer or smaller parameters"),
              e.getMessage());
        }
        context.assertReferences(references, "after a failure at " + allocation);
        context.failAt(Integer.MAX_VALUE);
        assertArrayEquals(expected, train(device, skips), "after a failure at " + allocation);
      }
      // Values and gradients, three of state, the norm's sums and tables, the launches' tables, and
      // those of the launches that measure.
      assertTrue(failures >= 2 * TENSORS + 3 + 6 + 3 * TENSORS, failures + " allocations");
    }
  }

  /** The least of several looks, as with {@link FailingContext#assertReferences}. */
  private static long settled(FailingContext context) {
    context.finish();
    long least = context.references();
    for (int i = 0; i < 50; i++) {
      LockSupport.parkNanos(1_000_000);
      least = Math.min(least, context.references());
    }
    return least;
  }

  /** Allocates, trains and closes everything; returns the parameters. */
  private static float[] train(Device device, boolean skips) {
    Deque<AutoCloseable> open = new ArrayDeque<>();
    try {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < TENSORS; i++) {
        Tensor values = device.copyOf(new float[] {i, i + 1, i + 2});
        open.push(values);
        Tensor gradients = device.copyOf(new float[] {1, -1, i});
        open.push(gradients);
        builder.borrow("t" + i, values, gradients);
      }
      Parameters parameters = builder.build();
      open.push(parameters);
      Optimizer optimizer = optimizer(parameters, skips).listener(report -> {}, 2).build();
      open.push(optimizer);
      optimizer.step();
      optimizer.step(); // measures its update
      float[] result = new float[3 * TENSORS];
      for (int i = 0; i < TENSORS; i++) {
        System.arraycopy(parameters.get("t" + i).values().toFloats(), 0, result, 3 * i, 3);
      }
      return result;
    } finally {
      open.forEach(OpenClLeakTest::close);
    }
  }

  private static OptimizerBuilder optimizer(Parameters parameters, boolean skips) {
    return Optimizer.of(parameters)
        .rule(Adam.adam().amsgrad(true))
        .learningRate(0.1)
        .group(ParameterGroup.matching("*5").learningRateFactor(2))
        .clipNorm(1)
        .skipNonFinite(skips);
  }

  private static void close(AutoCloseable resource) {
    try {
      resource.close();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void manyCyclesLeaveNoHandleAndNoMemory() throws IOException {
    FailingContext context = FailingContext.create();
    try (Device device = context.open()) {
      cycles(device, CYCLES / 10); // the heap and the driver's pools grow to what they need
      final long references = settled(context);
      final long resident = residentKilobytes();
      cycles(device, CYCLES);
      long grown = residentKilobytes() - resident;
      context.assertReferences(references, CYCLES + " cycles");
      assertTrue(grown < 200_000, CYCLES + " cycles left " + grown + " KiB");
    }
  }

  private static void cycles(Device device, int count) {
    for (int i = 0; i < count; i++) {
      try (Parameters parameters =
              Parameters.on(device)
                  .add("p", ElementType.FLOAT32, LENGTH)
                  .add("p5", ElementType.FLOAT32, i % 7)
                  .build();
          Optimizer optimizer = optimizer(parameters, false).build()) {
        optimizer.step();
      }
    }
  }

  private static long residentKilobytes() throws IOException {
    System.gc();
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmRSS:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aClosedDeviceLeavesNothingInItsContext() {
    for (boolean isTidy : new boolean[] {true, false}) {
      FailingContext context = FailingContext.create();
      CL.clRetainContext(context.context);
      Device device = context.open();
      Parameters parameters = Parameters.on(device).add("p5", new float[LENGTH]).build();
      Optimizer optimizer = optimizer(parameters, false).build();
      optimizer.step();
      if (isTidy) {
        optimizer.close();
        parameters.close();
      }
      device.close();
      context.assertReferences(1, "with the one that this test holds, tidy: " + isTidy);
      optimizer.close();
      parameters.close();
      CL.clReleaseContext(context.context);
    }
  }

  @Test
  void devicesThatAreOpenedAndClosedLeaveNoMemory() throws IOException {
    openAndClose(50);
    long resident = residentKilobytes();
    openAndClose(100);
    long grown = residentKilobytes() - resident;
    assertTrue(grown < 150_000, "100 devices left " + grown + " KiB");
  }

  private static void openAndClose(int count) {
    for (int i = 0; i < count; i++) {
      try (Device device = Devices.require("opencl")) {
        cycles(device, 1);
      }
    }
  }

  /** Makes everything that can be left to the collector, on a device or with it. */
  private static void forget(Device device, cl_mem buffer) {
    Tensor borrowed =
        device.borrowHandle(ElementType.FLOAT32, buffer.getNativePointer(), 0, LENGTH);
    Parameters parameters =
        Parameters.on(device)
            .add("p5", new float[LENGTH])
            .borrow("q", device.copyOf(new float[LENGTH]), borrowed)
            .build();
    Optimizer optimizer = optimizer(parameters, false).build();
    optimizer.step();
    device.timer().start();
  }

  private static long references(cl_mem buffer) {
    return OpenCl.number(
        "clGetMemObjectInfo",
        "a buffer",
        (size, value, sizeOut) ->
            CL.clGetMemObjectInfo(buffer, CL.CL_MEM_REFERENCE_COUNT, 4, value, sizeOut));
  }

  @Test
  void whatIsForgottenIsReleasedWhileTheDeviceIsUsed() {
    FailingContext context = FailingContext.create();
    try (Device device = context.open()) {
      train(device, false);
      final long settled = settled(context);
      cl_mem buffer =
          CL.clCreateBuffer(context.context, CL.CL_MEM_READ_WRITE, 4L * LENGTH, null, null);
      forget(device, buffer);
      Garbage.collectUntil(() -> references(buffer) == 1);
      assertEquals(1, references(buffer), "references to the caller's buffer");
      CL.clReleaseMemObject(buffer);
      Garbage.collectUntil(() -> context.references() == settled);
      context.assertReferences(settled, "what was forgotten");
      train(device, false);
    }
  }

  @Test
  void aForgottenDeviceIsReleased() {
    FailingContext context = FailingContext.create();
    CL.clRetainContext(context.context);
    cl_mem buffer =
        CL.clCreateBuffer(context.context, CL.CL_MEM_READ_WRITE, 4L * LENGTH, null, null);
    forget(context.open(), buffer);
    Garbage.collectUntil(() -> references(buffer) == 1);
    assertEquals(1, references(buffer), "references to the caller's buffer");
    CL.clReleaseMemObject(buffer); // PoCL's buffers refer to the queue that they were last used in
    Garbage.collectUntil(() -> context.references() == 1);
    context.assertReferences(1, "that which this test holds");
    CL.clReleaseContext(context.context);
  }

  /** The caller's own context and queue, which are counted up only. */
  @Test
  void aForgottenDeviceOfTheCallersIsReleased() {
    FailingContext context = FailingContext.create();
    cl_mem buffer =
        CL.clCreateBuffer(context.context, CL.CL_MEM_READ_WRITE, 4L * LENGTH, null, null);
    final long before = context.references();
    forget(
        Devices.wrapOpenCl(context.context.getNativePointer(), context.queue.getNativePointer()),
        buffer);
    Garbage.collectUntil(() -> context.references() == before);
    context.assertReferences(before, "those that this test holds");
    context.finish();
    CL.clReleaseMemObject(buffer);
    context.close();
  }
}
