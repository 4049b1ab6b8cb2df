package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceLostException;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.KernelBuildException;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.TestDevices;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jocl.CL;
import org.jocl.cl_buffer_region;
import org.jocl.cl_command_queue;
import org.jocl.cl_image_format;
import org.jocl.cl_mem;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What goes wrong on an OpenCL device has a type and a message that says what to do. */
@Tag("opencl")
class OpenClFaultTest {
  @BeforeAll
  static void load() {
    assertTrue(new OpenClBackend().report().usable());
  }

  @Test
  void aKernelThatDoesNotBuildShowsTheLog() {
    try (OpenClContext context = OpenClContext.create(OpenClDevices.best())) {
      KernelBuildException e =
          assertThrows(
              KernelBuildException.class,
              () -> Programs.build(context, "bad.cl", "kernel void bad() { wrong; }", ""));
      assertTrue(e.getMessage().contains("bad.cl"), e.getMessage());
      assertTrue(e.getMessage().contains("undeclared identifier 'wrong'"), e.getMessage());
    }
  }

  @Test
  void aFailedKernelIsALostDeviceAndNotALackOfMemory() {
    for (int code : new int[] {CL.CL_OUT_OF_RESOURCES, CL.CL_INVALID_COMMAND_QUEUE, -9999}) {
      DeviceLostException e =
          assertThrows(
              DeviceLostException.class, () -> OpenCl.checkWork(code, "clFinish", "a GPU"));
      assertTrue(e.getMessage().startsWith("clFinish failed on a GPU with"), e.getMessage());
      assertTrue(e.getMessage().contains("(" + code + "): a kernel failed"), e.getMessage());
    }
    OpenCl.checkWork(CL.CL_SUCCESS, "clFinish", "a GPU");
    assertThrows(
        OutOfDeviceMemoryException.class,
        () -> OpenCl.checkWork(CL.CL_MEM_OBJECT_ALLOCATION_FAILURE, "clFinish", "a GPU"));
    assertThrows(
        OutOfDeviceMemoryException.class,
        () -> OpenCl.check(CL.CL_OUT_OF_RESOURCES, "clCreateBuffer", "a GPU"));
  }

  @Test
  void aRuleWithoutHeaderIsNamed() {
    KernelBuildException e =
        assertThrows(KernelBuildException.class, () -> KernelSource.load("step.cl", "nonesuch"));
    assertTrue(e.getMessage().contains("rules/nonesuch.h"), e.getMessage());
  }

  @Test
  void aDeviceWithoutFloat64AndExactRoundingTakesFloat32() {
    DeviceInfo best = OpenClDevices.best();
    DeviceInfo poor =
        new DeviceInfo(
            best.id(),
            best.index(),
            "a poor device",
            best.driver(),
            best.memoryBytes(),
            best.isAccelerator(),
            best.sharesMemory(),
            "",
            false,
            best.floatConfig() & ~CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT,
            best.floatLanes(),
            0,
            best.maxWorkGroup(),
            best.maxParameterBytes());
    try (Device device = TestDevices.of(OpenClDevice.open(poor));
        Parameters floats = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Parameters doubles = Parameters.on(device).add("p", new double[] {1, 2}).build()) {
      assertFalse(device.report().bitExact());
      floats.get("p").gradients().copyFrom(new float[] {3, 4});
      try (Optimizer optimizer =
          Optimizer.of(floats).rule(Sgd.sgd()).learningRate(1).clipNorm(10).build()) {
        optimizer.step();
        assertArrayEquals(new float[] {-2, -2}, floats.get("p").values().toFloats());
        assertEquals(5, optimizer.gradientNorm());
      }
      OptimizerBuilder builder = Optimizer.of(doubles).rule(Sgd.sgd()).learningRate(1);
      KernelBuildException e = assertThrows(KernelBuildException.class, builder::build);
      assertEquals(
          "a poor device does not compute in float64: use float32 parameters or another device",
          e.getMessage());
    }
  }

  @Test
  void tooMuchMemoryIsOutOfDeviceMemoryAndTheDeviceStaysUsable() {
    try (Device device = Devices.require("opencl")) {
      long tooLong = device.report().memoryBytes(); // elements of 4 bytes each
      OutOfDeviceMemoryException e =
          assertThrows(
              OutOfDeviceMemoryException.class,
              () -> device.allocate(ElementType.FLOAT32, tooLong));
      assertTrue(e.getMessage().contains(Long.toString(4 * tooLong)), e.getMessage());
      assertThrows(
          OutOfDeviceMemoryException.class,
          () -> device.allocate(ElementType.FLOAT64, Long.MAX_VALUE));
      try (Tensor tensor = device.copyOf(new float[] {1, 2, 3})) {
        assertEquals(2, tensor.toFloats()[1]);
      }
    }
  }

  @Test
  void arraysAndForeignHandlesAreRefused() {
    try (Device device = Devices.require("opencl");
        OpenClContext other = OpenClContext.create(OpenClDevices.best())) {
      assertThrows(IllegalArgumentException.class, () -> device.borrow(new float[3]));
      assertThrows(
          IllegalArgumentException.class, () -> device.borrowHandle(ElementType.FLOAT32, 0, 0, 1));
      cl_mem foreign = other.allocate(64);
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> device.borrowHandle(ElementType.FLOAT32, foreign.getNativePointer(), 0, 16));
      assertTrue(e.getMessage().contains("another OpenCL context"), e.getMessage());
      CL.clReleaseMemObject(foreign);
    }
  }

  @Test
  @SuppressWarnings("deprecation") // its successor takes a description of all kinds of images
  void imagesAndBuffersThatAreNotForEverythingAreRefused() {
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best());
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      long[] restrictions = {
        CL.CL_MEM_READ_ONLY,
        CL.CL_MEM_WRITE_ONLY,
        CL.CL_MEM_READ_WRITE | CL.CL_MEM_HOST_NO_ACCESS,
        CL.CL_MEM_READ_WRITE | CL.CL_MEM_HOST_READ_ONLY,
        CL.CL_MEM_READ_WRITE | CL.CL_MEM_HOST_WRITE_ONLY
      };
      for (long flags : restrictions) {
        cl_mem buffer = CL.clCreateBuffer(own.context, flags, 64, null, null);
        assertRefused(device, buffer, "buffer may not be both read and written");
      }
      cl_image_format format = new cl_image_format();
      format.image_channel_order = CL.CL_RGBA;
      format.image_channel_data_type = CL.CL_FLOAT;
      cl_mem image =
          CL.clCreateImage2D(
              own.context,
              CL.CL_MEM_READ_WRITE,
              new cl_image_format[] {format},
              8,
              8,
              0,
              null,
              null);
      assertRefused(device, image, "handle is of an image or a pipe, must be of a buffer");
    }
  }

  private static void assertRefused(Device device, cl_mem memory, String reason) {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> device.borrowHandle(ElementType.FLOAT32, memory.getNativePointer(), 0, 1));
    assertTrue(e.getMessage().startsWith(reason), e.getMessage());
    CL.clReleaseMemObject(memory);
  }

  @Test
  void aPartBeyondTheBufferAndOverlapsAreRefused() {
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best());
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      cl_mem buffer = own.allocate(64);
      long handle = buffer.getNativePointer();
      assertThrows(
          IllegalArgumentException.class,
          () -> device.borrowHandle(ElementType.FLOAT32, handle, 10, 7));
      try (Tensor low = device.borrowHandle(ElementType.FLOAT32, handle, 0, 8);
          Tensor high = device.borrowHandle(ElementType.FLOAT32, handle, 7, 8)) {
        ParametersBuilder builder = Parameters.on(device).borrow("p", low, high);
        assertThrows(IllegalArgumentException.class, builder::build);
      }
      CL.clReleaseMemObject(buffer);
    }
  }

  /** A sub-buffer ends before the buffer that it is a part of, and overlaps it. */
  @Test
  void aPartBeyondASubBufferIsRefused() {
    int origin = 4096;
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best());
        Device device =
            Devices.wrapOpenCl(own.context.getNativePointer(), own.queue.getNativePointer())) {
      cl_mem whole = own.allocate(2L * origin);
      cl_mem part =
          CL.clCreateSubBuffer(
              whole,
              CL.CL_MEM_READ_WRITE,
              CL.CL_BUFFER_CREATE_TYPE_REGION,
              new cl_buffer_region(origin, 402), // 100 float32 and a half
              null);
      try (Tensor most = borrow(device, part, 0, 100);
          Tensor none = borrow(device, part, 100, 0);
          Tensor same = borrow(device, whole, origin / 4 + 99, 100)) {
        float[] values = new float[100];
        Arrays.fill(values, 3);
        most.copyFrom(values);
        assertEquals(3, same.toFloats()[0]);
        assertEquals(0, none.length());
        for (long[] beyond : new long[][] {{0, 101}, {100, 1}, {1, 100}, {101, 0}}) {
          assertEquals(
              "offset %d and length %d do not lie within a buffer of 100 float32"
                  .formatted(beyond[0], beyond[1]),
              assertThrows(
                      IllegalArgumentException.class,
                      () -> borrow(device, part, beyond[0], beyond[1]))
                  .getMessage());
        }
        ParametersBuilder overlapping = Parameters.on(device).borrow("p", most, same);
        assertThrows(IllegalArgumentException.class, overlapping::build);
      }
      CL.clReleaseMemObject(part);
      CL.clReleaseMemObject(whole);
    }
  }

  private static Tensor borrow(Device device, cl_mem buffer, long offset, long length) {
    return device.borrowHandle(ElementType.FLOAT32, buffer.getNativePointer(), offset, length);
  }

  @Test
  @SuppressWarnings("deprecation") // its successor is not in OpenCL 1.2
  void aQueueOutOfOrderIsRefused() {
    try (OpenClContext own = OpenClContext.create(OpenClDevices.best())) {
      cl_command_queue queue =
          CL.clCreateCommandQueue(
              own.context, own.device.id(), CL.CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, null);
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> Devices.wrapOpenCl(own.context.getNativePointer(), queue.getNativePointer()));
      assertTrue(e.getMessage().contains("out of order"), e.getMessage());
      CL.clReleaseCommandQueue(queue);
      assertThrows(IllegalArgumentException.class, () -> Devices.wrapOpenCl(0, 0));
    }
  }

  @Test
  void moreGroupsThanFitIntoTheArguments() {
    int groups = 100;
    float[][] results = new float[2][];
    for (int i = 0; i < 2; i++) {
      try (Device device = Devices.require(i == 0 ? "cpu" : "opencl")) {
        results[i] = trainGroups(device, groups);
      }
    }
    for (int i = 0; i < groups; i++) {
      assertEquals(results[0][i], results[1][i], 0f, "group " + i);
    }
  }

  private static float[] trainGroups(Device device, int groups) {
    ParametersBuilder builder = Parameters.on(device);
    IntStream.range(0, groups).forEach(i -> builder.add("p" + i, new float[] {1, 2}));
    try (Parameters parameters = builder.build()) {
      OptimizerBuilder optimizer = Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01);
      for (int i = 0; i < groups; i++) {
        optimizer.group(ParameterGroup.matching("p" + i).learningRateFactor(1 + i));
      }
      for (int i = 0; i < groups; i++) {
        parameters.get("p" + i).gradients().copyFrom(new float[] {0.5f, -i});
      }
      try (Optimizer built = optimizer.build()) {
        built.step();
        built.step();
      }
      float[] result = new float[groups];
      for (int i = 0; i < groups; i++) {
        result[i] = parameters.get("p" + i).values().toFloats()[1];
      }
      return result;
    }
  }
}
