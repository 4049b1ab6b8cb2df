package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.training.GradientCollector;
import ai.djl.training.LocalParameterServer;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.warmstep.Devices;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/**
 * Several devices count as one step. There is one device here, so two arrays on it stand for the
 * replicas of a parameter.
 */
class SeveralDevicesTest {
  private static final String NAME = "01Linear_weight";

  private static WarmstepOptimizerBuilder adam() {
    return WarmstepOptimizer.of(Adam.adam()).learningRate(Schedules.cosine(0.1, 10));
  }

  private static PtNDArray replica(NDArray of) {
    PtNDArray replica = (PtNDArray) of.duplicate();
    replica.setRequiresGradient(true);
    return replica;
  }

  private static void backward(PtNDArray array, float times, GradientCollector collector) {
    try (NDArray loss = array.mul(array).mul(times).sum()) {
      collector.backward(loss);
    }
  }

  /** One array whose gradient is the sum of both. */
  private static double[] expected(PtNDArray array, int steps) {
    WarmstepOptimizer optimizer = adam().build();
    for (int i = 0; i < steps; i++) {
      try (NDArray gradient = array.mul(2 * 4f)) {
        optimizer.update("one", array, gradient);
      }
    }
    return Toy.doubles(array);
  }

  @Test
  void aModelStepAddsUpAndSpreads() {
    WarmstepOptimizer optimizer = adam().build();
    try (Toy toy = new Toy(optimizer)) {
      PtNDArray first = replica(toy.array(NAME));
      PtNDArray second = replica(toy.array(NAME));
      FixedSource source = new FixedSource(toy.model.getBlock(), NAME, first, second);
      try (ModelStep step = new ModelStep(source, optimizer)) {
        for (int i = 0; i < 5; i++) {
          try (GradientCollector collector = toy.trainer.newGradientCollector()) {
            backward(first, 1, collector);
            backward(second, 3, collector);
          }
          step.step();
          assertEquals(i + 1, step.stepCount());
          assertEquals(0, first.getGradient().abs().sum().getFloat());
          assertEquals(0, second.getGradient().abs().sum().getFloat());
        }
      }
      double[] expected = expected(replica(toy.array(NAME)), 5);
      assertArrayEquals(expected, Toy.doubles(first), 1e-6);
      assertArrayEquals(Toy.doubles(first), Toy.doubles(second));
    }
  }

  /** As DJL's own parameter server calls an optimizer: once for each device. */
  @Test
  void aTrainersStepCountsOnce() {
    IdentityHashMap<NDArray, Integer> seen =
        new IdentityHashMap<>(); // NDArray.equals compares contents
    WarmstepOptimizer optimizer = adam().deviceOf(array -> deviceOf(array, seen)).build();
    LocalParameterServer server = new LocalParameterServer(optimizer);
    try (Toy toy = new Toy(optimizer)) {
      PtNDArray first = replica(toy.array(NAME));
      PtNDArray second = replica(toy.array(NAME));
      for (int i = 0; i < 5; i++) {
        try (GradientCollector collector = toy.trainer.newGradientCollector()) {
          backward(first, 1, collector);
          backward(second, 3, collector);
        }
        server.update("one", new NDArray[] {first, second});
        assertEquals(i + 1, optimizer.stepCount());
      }
      assertEquals(2, seen.size());
      double[] expected = expected(replica(toy.array(NAME)), 5);
      assertArrayEquals(expected, Toy.doubles(first), 1e-6);
      assertArrayEquals(Toy.doubles(first), Toy.doubles(second));
    }
  }

  private static Device deviceOf(NDArray array, IdentityHashMap<NDArray, Integer> seen) {
    Integer known = seen.putIfAbsent(array, seen.size());
    return Device.gpu(known == null ? seen.size() - 1 : known);
  }

  private static WarmstepOptimizerBuilder momentum() {
    return WarmstepOptimizer.of(Momentum.heavyBall(0.5)).learningRate(1);
  }

  /** A second trainer, on another device, with the same optimizer. */
  @Test
  void theStateGoesAlongToAnotherDevice() {
    Device[] now = {Device.gpu(0)};
    WarmstepOptimizer optimizer = momentum().deviceOf(array -> now[0]).build();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray first = manager.zeros(new Shape(1));
      NDArray gradient = manager.ones(new Shape(1));
      for (int i = 0; i < 3; i++) {
        optimizer.update("w", first, gradient); // the buffer is 1, 1.5, 1.75
      }
      NDArray second = first.duplicate();
      now[0] = Device.gpu(1);
      optimizer.update("w", second, gradient);
      assertEquals(1.875f, first.getFloat() - second.getFloat());
      for (int i = 0; i < 10; i++) {
        optimizer.update("w", second, gradient);
      }
      ParameterState state = optimizer.store().get("w");
      assertEquals(14, state.steps());
      assertEquals(2, ((float[]) state.slots().get("momentum_buffer"))[0], 1e-3);
      assertEquals(state.steps(), optimizer.store().all().get("w").steps());

      NDArray back = second.duplicate();
      now[0] = Device.gpu(0);
      optimizer.update("w", back, gradient);
      assertEquals(2, second.getFloat() - back.getFloat(), 1e-3, "not what was left there");
    }
  }

  /** What was restored is not kept for devices to come. */
  @Test
  void aRestoredStateIsUsedOnce() {
    Device[] now = {Device.gpu(0)};
    WarmstepOptimizer optimizer = momentum().deviceOf(array -> now[0]).build();
    optimizer
        .store()
        .replace(Map.of("w", new ParameterState(4, Map.of("momentum_buffer", new float[] {100}))));
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray zero = manager.zeros(new Shape(1));
      NDArray first = manager.zeros(new Shape(1));
      for (int i = 0; i < 50; i++) {
        optimizer.update("w", first, zero);
      }
      assertEquals(Map.of(), optimizer.store().detached());
      now[0] = Device.gpu(1);
      NDArray second = first.duplicate();
      optimizer.update("w", second, zero);
      assertEquals(0, first.getFloat() - second.getFloat(), 1e-6);
      assertEquals(55, optimizer.stepCount());
    }
  }

  /** A second trainer with one device more. */
  @Test
  void aReplicaMayBeAdded() {
    IdentityHashMap<NDArray, Integer> seen = new IdentityHashMap<>();
    WarmstepOptimizer optimizer = momentum().deviceOf(array -> deviceOf(array, seen)).build();
    LocalParameterServer server = new LocalParameterServer(optimizer);
    try (NDManager manager = NDManager.newBaseManager()) {
      PtNDArray first = replica(manager.zeros(new Shape(1)));
      NDArray[] gradients = {manager.ones(new Shape(1)), manager.zeros(new Shape(1))};
      for (int i = 0; i < 3; i++) {
        server.update("w", new NDArray[] {gradients[0].duplicate()}, new NDArray[] {first});
      }
      PtNDArray second = replica(first);
      for (int i = 4; i <= 6; i++) {
        server.update(
            "w",
            new NDArray[] {gradients[0].duplicate(), gradients[1].duplicate()},
            new NDArray[] {first, second});
        assertEquals(i, optimizer.stepCount());
        assertEquals(first.getFloat(), second.getFloat());
      }
      double buffer = 0;
      double expected = 0;
      for (int i = 0; i < 6; i++) {
        buffer = 0.5 * buffer + 1;
        expected -= buffer;
      }
      assertEquals(expected, first.getFloat(), 1e-5);
    }
  }

  /** Whose update changes nothing, so that the values show nothing. */
  @Test
  void replicasStayEqualWhenAGradientIsZero() {
    for (int zeroAt = 1; zeroAt <= 3; zeroAt++) {
      IdentityHashMap<NDArray, Integer> seen = new IdentityHashMap<>();
      WarmstepOptimizer optimizer =
          WarmstepOptimizer.of(Adam.adam())
              .learningRate(0.01)
              .deviceOf(array -> Device.gpu(seen.get(array)))
              .build();
      LocalParameterServer server = new LocalParameterServer(optimizer);
      try (NDManager manager = NDManager.newBaseManager()) {
        NDArray[][] weights = new NDArray[3][2];
        for (NDArray[] replicas : weights) {
          for (int device = 0; device < 2; device++) {
            replicas[device] = replica(manager.ones(new Shape(3)));
            seen.put(replicas[device], device);
          }
        }
        for (int i = 1; i <= 6; i++) {
          for (int p = 0; p < weights.length; p++) {
            float gradient = p == 1 && i == zeroAt ? 0 : (float) Math.sin(i + 1.5) * (p + 1);
            server.update(
                "p" + p,
                new NDArray[] {manager.full(new Shape(3), gradient), manager.zeros(new Shape(3))},
                weights[p]);
          }
          assertEquals(i, optimizer.stepCount());
          for (NDArray[] replicas : weights) {
            assertEquals(replicas[0].getFloat(0), replicas[1].getFloat(0));
          }
        }
      }
    }
  }

  @Test
  void aClosedReplicaIsRefusedBeforeAnythingChanges() {
    WarmstepOptimizer optimizer = adam().build();
    try (Toy toy = new Toy(optimizer)) {
      PtNDArray first = replica(toy.array(NAME));
      PtNDArray second = replica(toy.array(NAME));
      FixedSource source = new FixedSource(toy.model.getBlock(), NAME, first, second);
      try (ModelStep step = new ModelStep(source, optimizer)) {
        try (GradientCollector collector = toy.trainer.newGradientCollector()) {
          backward(first, 1, collector);
        }
        double[] before = Toy.doubles(first);
        second.close();
        for (int i = 0; i < 2; i++) {
          String message = assertThrows(IllegalStateException.class, step::step).getMessage();
          assertTrue(message.contains("are closed"), message);
        }
        assertArrayEquals(before, Toy.doubles(first));
      }
    }
  }

  /** DJL switches gradients off only in the thread that started its engine. */
  @Test
  void aModelStepMayBeTakenInAnyThread() throws Exception {
    WarmstepOptimizer optimizer = adam().build();
    try (Toy toy = new Toy(optimizer)) {
      PtNDArray first = replica(toy.array(NAME));
      PtNDArray second = replica(toy.array(NAME));
      double[] before = Toy.doubles(first);
      FixedSource source = new FixedSource(toy.model.getBlock(), NAME, first, second);
      CompletableFuture.runAsync(
              () -> {
                try (ModelStep step = new ModelStep(source, optimizer);
                    GradientCollector collector = toy.trainer.newGradientCollector()) {
                  backward(first, 1, collector);
                  backward(second, 3, collector);
                  step.step();
                }
              },
              work -> new Thread(work).start())
          .get();
      assertArrayEquals(Toy.doubles(first), Toy.doubles(second));
      assertFalse(Arrays.equals(before, Toy.doubles(first)));
    }
  }

  /** The function that gives device pointers on a GPU gives the buffer's address on the cpu. */
  @Test
  void libtorchsPointerIsTheBuffersAddress() {
    try (NDManager manager = NDManager.newBaseManager()) {
      PtNDArray array = (PtNDArray) manager.ones(new Shape(3, 4));
      Pointer address = Native.getDirectBufferPointer(array.toByteBuffer(true));
      assertEquals(Pointer.nativeValue(address), LibTorch.dataPointer(array));
      PtNDArray second = (PtNDArray) array.get("1");
      assertEquals(LibTorch.dataPointer(array) + 16, LibTorch.dataPointer(second));
      assertTrue(LibTorch.isContiguous(array));
      assertTrue(LibTorch.isContiguous(second));
      assertTrue(!LibTorch.isContiguous(array.transpose()));
      assertTrue(!LibTorch.isContiguous((PtNDArray) array.get(":, 1:3")));
      assertTrue(LibTorch.isContiguous((PtNDArray) manager.ones(new Shape(4, 1)).transpose()));
    }
  }

  @Test
  void aGpuIsWrappedOnceForEachStream() {
    long[] stream = {7};
    List<String> calls = new ArrayList<>();
    TrainingDevices.Cuda cuda =
        new TrainingDevices.Cuda() {
          @Override
          public long primaryContext(int ordinal) {
            return 100 + ordinal;
          }

          @Override
          public long currentStream(int ordinal) {
            return stream[0];
          }
        };
    TrainingDevices devices =
        new TrainingDevices(
            cuda,
            (context, of) -> {
              calls.add(context + " " + of);
              return Devices.cpu(1);
            });
    io.warmstep.Device first = devices.of(Device.gpu(1));
    assertSame(first, devices.of(Device.gpu(1)));
    stream[0] = 0;
    io.warmstep.Device second = devices.of(Device.gpu(1));
    io.warmstep.Device third = devices.of(Device.gpu(0));
    assertEquals(List.of("101 7", "101 0", "100 0"), calls);
    first.close();
    second.close();
    third.close();
    assertSame(devices.of(Device.cpu()), devices.of(Device.cpu()));
    devices.of(Device.cpu()).close();
    String message =
        assertThrows(IllegalArgumentException.class, () -> devices.of(Device.of("mps", 0)))
            .getMessage();
    assertTrue(message.startsWith("device is mps"), message);
  }

  /** On a machine without CUDA the cause is reported, and nothing else is stepped on instead. */
  @Test
  void missingCudaIsReported() {
    try (NDManager manager = NDManager.newBaseManager()) {
      assertEquals(0, manager.zeros(new Shape(1)).getFloat()); // libtorch is loaded
      String message =
          assertThrows(
                  io.warmstep.BackendUnavailableException.class,
                  () -> TrainingDevices.shared().of(Device.gpu(0)))
              .getMessage();
      assertTrue(message.contains("torch_cuda"), message);
    }
  }
}
