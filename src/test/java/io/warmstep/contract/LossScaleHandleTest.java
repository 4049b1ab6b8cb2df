package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Sgd;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.ContractBackend;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The address of the loss scale for kernels of the caller's: of GPUs, refused on the CPU. */
class LossScaleHandleTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  private static OptimizerBuilder builder(Parameters parameters) {
    return Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.5);
  }

  private static boolean isCpu(Device device) {
    return device.report().backend().equals("cpu");
  }

  /** The host gives and takes the scale in the same way everywhere. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void workAfterAStepFindsTheNextScale(ContractBackend backend) {
    float[][] gradients = {{1, 2}, {3, Float.NaN}, {1, 1}, {2, 1}, {Float.POSITIVE_INFINITY, 0}};
    double[] scales = {1024, 1024, 512, 512, 1024, 512};
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 2);
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[2]).build();
        Optimizer optimizer = builder(parameters).lossScaler(scaler).build();
        Tensor found = device.allocate(ElementType.FLOAT32, scales.length)) {
      if (!isCpu(device)) {
        long handle = optimizer.lossScaleHandle();
        Tensor lossScale = device.borrowHandle(ElementType.FLOAT32, handle, 0, 1);
        for (int i = 0; i < scales.length; i++) {
          found.slice(i, 1).copyFrom(lossScale); // in the order of the stream, without the host
          if (i < gradients.length) {
            parameters.get("p").gradients().copyFrom(gradients[i]);
            optimizer.step();
          }
        }
        assertEquals(handle, optimizer.lossScaleHandle());
        for (int i = 0; i < scales.length; i++) {
          assertEquals(scales[i], found.toFloats()[i], "before step " + (i + 1));
        }
      } else {
        UnsupportedOperationException e =
            assertThrows(UnsupportedOperationException.class, optimizer::lossScaleHandle);
        assertTrue(e.getMessage().contains("on CUDA and OpenCL devices alone"), e.getMessage());
        assertTrue(e.getMessage().contains("LossScaler.scale()"), e.getMessage());
        for (int i = 0; i < scales.length; i++) {
          assertEquals(scales[i], scaler.scale(), "before step " + (i + 1));
          if (i < gradients.length) {
            parameters.get("p").gradients().copyFrom(gradients[i]);
            optimizer.step();
          }
        }
      }
      assertEquals(scales[scales.length - 1], scaler.scale());
    }
  }

  /** Beyond the steps that a device is ahead of the host, whoever decides whether they happen. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void hostAndDeviceTakeTurnsInMovingIt(ContractBackend backend) {
    int steps = 40;
    for (Schedule rate : List.of(Schedules.constant(0.5), (Schedule) step -> 0.5)) {
      LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 2);
      double expected = 1024;
      int finite = 0;
      try (Device device = backend.open();
          Parameters parameters = Parameters.on(device).add("p", new float[1]).build();
          Optimizer optimizer = builder(parameters).learningRate(rate).lossScaler(scaler).build();
          Tensor found = device.allocate(ElementType.FLOAT32, steps)) {
        if (isCpu(device)) {
          return;
        }
        Tensor lossScale =
            device.borrowHandle(ElementType.FLOAT32, optimizer.lossScaleHandle(), 0, 1);
        double[] scales = new double[steps];
        for (int i = 0; i < steps; i++) {
          if (i == 25) {
            scaler.restore(new LossScaler.State(16, 1));
            expected = 16;
            finite = 1;
          }
          scales[i] = expected;
          found.slice(i, 1).copyFrom(lossScale);
          boolean isFinite = i % 7 != 3;
          parameters.get("p").gradients().copyFrom(new float[] {isFinite ? 1 : Float.NaN});
          optimizer.step();
          finite = isFinite ? finite + 1 : 0;
          expected *= isFinite ? finite == 2 ? 2 : 1 : 0.5;
          finite %= 2;
        }
        assertArrayEquals(scales, found.toDoubles());
        assertEquals(expected, scaler.scale());
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void isRefusedWithoutAScaleToRead(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[2]).build()) {
      try (Optimizer optimizer = builder(parameters).build()) {
        IllegalStateException e =
            assertThrows(IllegalStateException.class, optimizer::lossScaleHandle);
        assertTrue(e.getMessage().contains("lossScaler(LossScaler.dynamic())"), e.getMessage());
      }
      Optimizer closed = builder(parameters).lossScaler(LossScaler.dynamic()).build();
      closed.close();
      assertThrows(ClosedException.class, closed::lossScaleHandle);
    }
  }
}
