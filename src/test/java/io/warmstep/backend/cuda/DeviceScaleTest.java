package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.rule.Momentum;
import io.warmstep.schedule.Schedules;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUgraph;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The loss scale that kernels of the caller's find on the device, whoever has changed it. On the
 * simulated driver, which does a stream's work as late as it may: copies of the scale in the
 * stream's order stand for such kernels.
 */
class DeviceScaleTest extends SimulatedTest {
  private static final int STEPS = 40; // beyond twice the ring
  private static final int LENGTH = 50;

  private static float[] gradients(int step) {
    float[] numbers = new float[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      numbers[i] = (float) Math.sin(step * 31 + i) * 100;
    }
    if (step % 5 == 3) {
      numbers[step] = Float.NaN;
    }
    return numbers;
  }

  /** A run and the scales before its steps: on CUDA those that the device found. */
  private static final class Run implements AutoCloseable {
    final LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 3);
    final Parameters parameters;
    final Optimizer optimizer;
    private final Tensor[] batches = new Tensor[STEPS];
    private final float[] known = new float[STEPS]; // on the CPU
    private final Tensor found; // null there
    private final Tensor lossScale;

    Run(Device device, boolean isFound, Consumer<OptimizerBuilder> options) {
      parameters =
          Parameters.on(device).add("p", new float[LENGTH]).add("q", new float[LENGTH]).build();
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(Momentum.heavyBall(0.9))
              .learningRate(Schedules.cosine(0.1, 60))
              .group(ParameterGroup.matching("q"))
              .lossScaler(scaler);
      options.accept(builder);
      optimizer = builder.build();
      for (int i = 0; i < STEPS; i++) {
        batches[i] = device.copyOf(gradients(i));
      }
      found = isFound ? device.allocate(ElementType.FLOAT32, STEPS) : null;
      lossScale =
          isFound
              ? device.borrowHandle(ElementType.FLOAT32, optimizer.lossScaleHandle(), 0, 1)
              : null;
    }

    void step(int step, Runnable taken) {
      if (found == null) {
        known[step] = (float) scaler.scale();
      } else {
        found.slice(step, 1).copyFrom(lossScale);
      }
      parameters.forEach(parameter -> parameter.gradients().copyFrom(batches[step]));
      taken.run();
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      for (Tensor batch : batches) {
        batch.close();
      }
      if (found != null) {
        found.close();
      }
    }
  }

  /** What is done at each step. */
  private interface Course {
    void take(Run run, int step);
  }

  private static void check(Consumer<OptimizerBuilder> options, Course onCpu, Course onCuda) {
    try (Device cpu = Devices.cpu(1);
        Device cuda = Devices.require("cuda");
        Run expected = new Run(cpu, false, options);
        Run actual = new Run(cuda, true, options)) {
      long handle = actual.optimizer.lossScaleHandle();
      for (int step = 0; step < STEPS; step++) {
        onCpu.take(expected, step);
        onCuda.take(actual, step);
      }
      assertArrayEquals(expected.known, actual.found.toFloats());
      assertEquals(handle, actual.optimizer.lossScaleHandle());
      assertEquals(expected.scaler.state(), actual.scaler.state());
      for (String name : new String[] {"p", "q"}) {
        assertArrayEquals(
            expected.parameters.get(name).values().toFloats(),
            actual.parameters.get(name).values().toFloats());
      }
    }
  }

  private static void plain(Run run, int step) {
    run.step(step, run.optimizer::step);
  }

  @Test
  void plainStepsWaitForNothing() {
    try (Device cuda = Devices.require("cuda");
        Run run = new Run(cuda, true, builder -> {})) {
      plain(run, 0);
      long waits = CudaSim.waits();
      for (int step = 1; step < 16; step++) {
        plain(run, step);
      }
      assertEquals(0, CudaSim.waits() - waits);
    }
    check(builder -> {}, DeviceScaleTest::plain, DeviceScaleTest::plain);
  }

  /** Where the host moves the scale, it sets it on the device. */
  @Test
  void theHostSetsWhatItMoves() {
    check(
        builder -> builder.learningRate(step -> 0.01), // a schedule of which nobody knows more
        DeviceScaleTest::plain,
        DeviceScaleTest::plain);
    check(
        builder -> builder.listener(report -> {}, 7),
        DeviceScaleTest::plain,
        DeviceScaleTest::plain);
  }

  @Test
  void allWaysOfStepsShareIt() {
    Course onCpu =
        (run, step) -> {
          if (step == 11) {
            run.optimizer.groups().freeze("q");
          }
          if (step == 19) {
            run.optimizer.groups().unfreeze("q");
          }
          if (step % 4 == 1) {
            run.step(step, () -> run.optimizer.step(0.25));
          } else {
            plain(run, step);
          }
        };
    check(
        builder -> {},
        onCpu,
        (run, step) -> {
          if (step % 4 > 1 && step != 11 && step != 19) {
            try (CapturedStep captured = run.optimizer.capture()) {
              assertEquals(run.optimizer.lossScaleHandle(), captured.lossScaleHandle());
              run.step(step, captured::step);
            }
          } else {
            onCpu.take(run, step);
          }
        });
  }

  @Test
  void aRestoredStateIsThereAtOnce(@TempDir Path folder) {
    Course course =
        (run, step) -> {
          try {
            Path file = folder.resolve(run.found == null ? "cpu" : "cuda");
            if (step == 9) {
              run.optimizer.save(file);
            } else if (step == 15) {
              run.scaler.restore(new LossScaler.State(0x1p-3, 1));
            } else if (step == 24) {
              run.optimizer.restore(file);
            }
          } catch (IOException e) {
            throw new AssertionError(e);
          }
          plain(run, step);
        };
    check(builder -> {}, course, course);
  }

  @Test
  void aScaleThatIsNoFloat32IsRefused(@TempDir Path folder) throws IOException {
    try (Device cuda = Devices.require("cuda");
        Parameters parameters = Parameters.on(cuda).add("p", new float[LENGTH]).build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Momentum.heavyBall(0.9)).learningRate(0.1);
      for (LossScaler scaler :
          new LossScaler[] {LossScaler.fixed(0.1), LossScaler.dynamic(1024, 1.5, 0.5, 10)}) {
        try (Optimizer optimizer = builder.lossScaler(scaler).build()) {
          IllegalStateException e =
              assertThrows(IllegalStateException.class, optimizer::lossScaleHandle);
          assertTrue(e.getMessage().contains("does not stay a float32"), e.getMessage());
        }
      }
      Path file = folder.resolve("inexact");
      LossScaler other = LossScaler.dynamic(0.1, 2, 0.5, 10);
      try (Optimizer optimizer = builder.lossScaler(other).build()) {
        optimizer.save(file);
      }
      LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 10);
      LossScaler.State inexact = new LossScaler.State(0.1, 0);
      try (Optimizer optimizer = builder.lossScaler(scaler).build()) {
        scaler.restore(inexact); // nobody reads it
        scaler.restore(new LossScaler.State(256, 3));
        Tensor lossScale =
            cuda.borrowHandle(ElementType.FLOAT32, optimizer.lossScaleHandle(), 0, 1);
        IllegalArgumentException e =
            assertThrows(IllegalArgumentException.class, () -> scaler.restore(inexact));
        assertTrue(e.getMessage().contains("must be a float32"), e.getMessage());
        CheckpointMismatchException mismatch =
            assertThrows(CheckpointMismatchException.class, () -> optimizer.restore(file));
        assertTrue(mismatch.getMessage().contains("must be a float32"), mismatch.getMessage());
        assertEquals(new LossScaler.State(256, 3), scaler.state());
        assertArrayEquals(new float[] {256}, lossScale.toFloats());
      }
      scaler.restore(inexact); // nobody reads it any longer
      assertEquals(inexact, scaler.state());
    }
  }

  /** Whichever way kernels were given it. */
  @Test
  void aCapturedStepLendsItToo() {
    LossScaler.State inexact = new LossScaler.State(0.1, 0);
    for (boolean isTensor : new boolean[] {true, false}) {
      LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 10);
      try (Device cuda = Devices.require("cuda");
          Parameters parameters = Parameters.on(cuda).add("p", new float[LENGTH]).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Momentum.heavyBall(0.9))
                  .learningRate(0.1)
                  .lossScaler(scaler)
                  .build();
          CapturedStep captured = optimizer.capture()) {
        scaler.restore(inexact); // nobody reads it
        if (isTensor) {
          assertThrows(IllegalStateException.class, captured::lossScale);
        } else {
          assertThrows(IllegalStateException.class, captured::lossScaleHandle);
        }
        scaler.restore(new LossScaler.State(256, 3));
        Tensor lossScale =
            isTensor
                ? captured.lossScale()
                : cuda.borrowHandle(ElementType.FLOAT32, captured.lossScaleHandle(), 0, 1);
        assertThrows(IllegalArgumentException.class, () -> scaler.restore(inexact));
        assertArrayEquals(new float[] {256}, lossScale.toFloats());
      }
    }
  }

  @Test
  void isNotSetInAGraph() {
    long contextHandle = CudaSim.newContext();
    long streamHandle = CudaSim.newStream(contextHandle);
    CUcontext context = Cuda.wrap(contextHandle, new CUcontext());
    CUstream stream = Cuda.wrap(streamHandle, new CUstream());
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 10);
    try (Device device = Devices.wrapCuda(contextHandle, streamHandle);
        Parameters parameters = Parameters.on(device).add("p", new float[LENGTH]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Momentum.heavyBall(0.9))
                .learningRate(0.1)
                .lossScaler(scaler)
                .build()) {
      Tensor lossScale =
          device.borrowHandle(ElementType.FLOAT32, optimizer.lossScaleHandle(), 0, 1);
      CUgraph graph = new CUgraph();
      int mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL;
      assertEquals(0, JCudaDriver.cuCtxPushCurrent(context));
      assertEquals(0, JCudaDriver.cuStreamBeginCapture(stream, mode));
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class, () -> scaler.restore(new LossScaler.State(8, 0)));
      assertTrue(e.getMessage().contains("end the capture"), e.getMessage());
      assertEquals(0, JCudaDriver.cuStreamEndCapture(stream, graph));
      assertEquals(0, JCudaDriver.cuGraphDestroy(graph));
      assertEquals(0, JCudaDriver.cuCtxPopCurrent(new CUcontext()));
      assertEquals(new LossScaler.State(1024, 0), scaler.state());
      assertArrayEquals(new float[] {1024}, lossScale.toFloats());
      scaler.restore(new LossScaler.State(8, 0));
      assertArrayEquals(new float[] {8}, lossScale.toFloats());
    } finally {
      CudaSim.endContext(contextHandle, streamHandle);
    }
  }

  /** What the device decided, to whoever asks first. */
  @Test
  void theScalerKnowsOfTheLastStep() {
    for (boolean isPrinted : new boolean[] {false, true}) {
      LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 2);
      try (Device cuda = Devices.require("cuda");
          Parameters parameters = Parameters.on(cuda).add("p", new float[2]).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Momentum.heavyBall(0.9))
                  .learningRate(0.1)
                  .lossScaler(scaler)
                  .build()) {
        optimizer.step();
        parameters.get("p").gradients().copyFrom(new float[] {1, Float.NaN});
        optimizer.step();
        if (isPrinted) {
          cuda.synchronize(); // as printing does not
          assertTrue(scaler.toString().startsWith("loss scaler at 512.0 "), scaler.toString());
        } else {
          assertEquals(new LossScaler.State(512, 0), scaler.state());
        }
      }
    }
  }
}
