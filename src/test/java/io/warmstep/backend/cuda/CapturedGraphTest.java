package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.HostBehindException;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps in a graph that the caller captures on a stream that was lent. On the simulated driver. */
class CapturedGraphTest extends SimulatedTest {
  private static final int LENGTH = 1000;
  private static final int GLOBAL = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL;
  private static final int RELAXED = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED;

  private long contextHandle;
  private long streamHandle;
  private CUcontext context;
  private CUstream stream;
  private Tensor used;
  private final List<Runnable> releases = new ArrayList<>();

  @BeforeEach
  void lend() {
    contextHandle = CudaSim.newContext();
    streamHandle = CudaSim.newStream(contextHandle);
    context = Cuda.wrap(contextHandle, new CUcontext());
    stream = Cuda.wrap(streamHandle, new CUstream());
  }

  @AfterEach
  void takeBack() {
    releases.forEach(Runnable::run);
    CudaSim.endContext(contextHandle, streamHandle);
  }

  private int call(Supplier<Integer> call) {
    assertEquals(0, JCudaDriver.cuCtxPushCurrent(context));
    try {
      return call.get();
    } finally {
      assertEquals(0, JCudaDriver.cuCtxPopCurrent(new CUcontext()));
    }
  }

  private void done(Supplier<Integer> call) {
    assertEquals(CUresult.CUDA_SUCCESS, call(call));
  }

  /** What the stream is given meanwhile, made executable. */
  private CUgraphExec graph(int mode, Runnable work) {
    CUgraph graph = new CUgraph();
    CUgraphExec exec = new CUgraphExec();
    done(() -> JCudaDriver.cuStreamBeginCapture(stream, mode));
    work.run();
    done(() -> JCudaDriver.cuStreamEndCapture(stream, graph));
    done(() -> JCudaDriver.cuGraphInstantiate(exec, graph, 0));
    done(() -> JCudaDriver.cuGraphDestroy(graph));
    releases.add(() -> done(() -> JCudaDriver.cuGraphExecDestroy(exec)));
    return exec;
  }

  private void launch(CUgraphExec exec) {
    done(() -> JCudaDriver.cuGraphLaunch(exec, stream));
  }

  private static float[] gradients(int step) {
    float[] numbers = new float[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      numbers[i] = (float) Math.sin(step * 31 + i) * 100;
    }
    if (step % 6 == 5) {
      numbers[step] = Float.NaN;
    }
    return numbers;
  }

  private static float[] values() {
    float[] values = new float[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      values[i] = (float) Math.cos(i);
    }
    return values;
  }

  private static OptimizerBuilder builder(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW())
        .learningRate(Schedules.cosine(0.01, 50).warmUp(4))
        .clipNorm(1);
  }

  /** Beside the stream's own order, where the caller has its data. */
  private final class Memory {
    final long address;
    final Tensor tensor;

    Memory(Device device, int length) {
      address = CudaSim.newMemory(4L * length);
      tensor = device.borrowHandle(ElementType.FLOAT32, address, 0, length);
      releases.add(() -> CudaSim.freeMemory(address));
    }

    CUdeviceptr pointer() {
      return Cuda.pointer(address);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {GLOBAL, RELAXED})
  void aGraphOfTheCallersHasTheBitsOfPlainSteps(int mode) {
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.5, 4);
    LossScaler expectedScaler = LossScaler.dynamic(1024, 2, 0.5, 4);
    try (Device cpu = Devices.cpu();
        Parameters expectedOnes = Parameters.on(cpu).add("p", values()).build();
        Optimizer expected = builder(expectedOnes).lossScaler(expectedScaler).build();
        Device device = Devices.wrapCuda(contextHandle, streamHandle)) {
      Memory values = new Memory(device, LENGTH);
      Memory gradients = new Memory(device, LENGTH);
      Memory batch = new Memory(device, LENGTH);
      Memory scale = new Memory(device, 1);
      values.tensor.copyFrom(values());
      try (Parameters parameters =
              Parameters.on(device).borrow("p", values.tensor, gradients.tensor).build();
          Optimizer optimizer = builder(parameters).lossScaler(scaler).build();
          CapturedStep captured = optimizer.capture()) {
        assertEquals(optimizer.lossScaleHandle(), captured.lossScaleHandle());
        CUdeviceptr lossScale = Cuda.pointer(captured.lossScaleHandle());
        long launches = CudaSim.launches();
        CUgraphExec exec =
            graph(
                mode,
                () -> {
                  done(() -> JCudaDriver.cuMemcpyDtoDAsync(scale.pointer(), lossScale, 4, stream));
                  done(
                      () ->
                          JCudaDriver.cuMemcpyDtoDAsync(
                              gradients.pointer(), batch.pointer(), 4L * LENGTH, stream));
                  captured.record();
                });
        assertEquals(launches, CudaSim.launches());
        assertArrayEquals(values(), values.tensor.toFloats());
        for (int step = 1; step <= 40; step++) {
          float present = (float) expectedScaler.scale();
          batch.tensor.copyFrom(gradients(step));
          captured.beforeLaunch();
          launch(exec);
          expectedOnes.get("p").gradients().copyFrom(gradients(step));
          expected.step();
          assertEquals(present, scale.tensor.toFloats()[0], "step " + step);
          assertArrayEquals(
              expectedOnes.get("p").values().toFloats(), values.tensor.toFloats(), "step " + step);
        }
        assertEquals(expected.stepCount(), optimizer.stepCount());
        assertEquals(expected.skippedSteps(), optimizer.skippedSteps());
        assertEquals(6, optimizer.skippedSteps());
        assertEquals(expectedScaler.state(), scaler.state());
        assertEquals((float) scaler.scale(), captured.lossScale().toFloats()[0]);
        assertEquals(expected.gradientNorm(), optimizer.gradientNorm());
      }
    }
  }

  /** A graph without anything of the caller's, of parameters with one gradient. */
  private interface Use {
    void run(Optimizer optimizer, CapturedStep captured, CUgraphExec exec);
  }

  private void use(Use use) {
    try (Device device = Devices.wrapCuda(contextHandle, streamHandle);
        Parameters parameters = Parameters.on(device).add("p", values()).build();
        Optimizer optimizer = builder(parameters).skipNonFinite(true).build();
        CapturedStep captured = optimizer.capture()) {
      parameters.get("p").gradients().copyFrom(gradients(1));
      used = parameters.get("p").values();
      use.run(optimizer, captured, graph(GLOBAL, captured::record));
    }
  }

  /** After so many plain steps. */
  private static float[] after(int steps) {
    try (Device device = Devices.cpu();
        Parameters parameters = Parameters.on(device).add("p", values()).build();
        Optimizer optimizer = builder(parameters).skipNonFinite(true).build()) {
      parameters.get("p").gradients().copyFrom(gradients(1));
      for (int i = 0; i < steps; i++) {
        optimizer.step();
      }
      return parameters.get("p").values().toFloats();
    }
  }

  private void check(int steps, Optimizer optimizer) {
    assertEquals(steps, optimizer.stepCount());
    assertEquals(0, optimizer.skippedSteps());
    assertArrayEquals(after(steps), used.toFloats());
  }

  @Test
  void launchesThatComeTooEarlyChangeNothing() {
    use(
        (optimizer, captured, exec) -> {
          launch(exec);
          check(0, optimizer);
          HostBehindException first =
              assertThrows(HostBehindException.class, captured::beforeLaunch);
          assertTrue(first.getMessage().startsWith("1 launch of a graph"), first.getMessage());
          captured.beforeLaunch();
          launch(exec);
          check(1, optimizer);
          launch(exec);
          launch(exec);
          check(1, optimizer);
          HostBehindException e = assertThrows(HostBehindException.class, captured::beforeLaunch);
          assertTrue(e.getMessage().startsWith("2 launches of a graph"), e.getMessage());
          check(1, optimizer);
          for (int i = 0; i < 20; i++) {
            captured.beforeLaunch();
            launch(exec);
          }
          check(21, optimizer);
        });
  }

  static Stream<Consumer<OptimizerBuilder>> waysToZero() {
    return Stream.of(
        builder -> {},
        builder -> builder.clipNorm(1e9).skipNonFinite(true),
        builder -> builder.skipNonFinite(true).masterWeights(MasterWeights.EXACT),
        builder -> builder.rule(Lamb.lamb()).masterWeights(MasterWeights.EXACT),
        builder -> builder.rule(Lamb.lamb()).skipNonFinite(true));
  }

  /** Those of the next prepared launch may be there by then. */
  @ParameterizedTest
  @MethodSource("waysToZero")
  void launchesThatComeTooEarlyLeaveGradients(Consumer<OptimizerBuilder> options) {
    try (Device device = Devices.wrapCuda(contextHandle, streamHandle);
        Parameters parameters =
            Parameters.on(device)
                .add("p", values())
                .add("q", ElementType.BFLOAT16, values())
                .build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.1).zeroGradients(true);
      options.accept(builder);
      try (Optimizer optimizer = builder.build();
          CapturedStep captured = optimizer.capture()) {
        CUgraphExec exec = graph(GLOBAL, captured::record);
        for (int turn = 0; turn < 3; turn++) {
          float[] gradients = new float[LENGTH];
          Arrays.fill(gradients, 1 + turn);
          parameters.forEach(parameter -> parameter.gradients().copyFrom(gradients));
          List<float[]> before = new ArrayList<>();
          parameters.forEach(parameter -> before.add(parameter.values().toFloats()));
          launch(exec);
          for (Parameter parameter : parameters) {
            assertArrayEquals(gradients, parameter.gradients().toFloats(), parameter.name());
            assertArrayEquals(before.remove(0), parameter.values().toFloats(), parameter.name());
          }
          assertThrows(HostBehindException.class, captured::beforeLaunch);
          captured.beforeLaunch();
          launch(exec);
          for (Parameter parameter : parameters) {
            assertArrayEquals(new float[LENGTH], parameter.gradients().toFloats());
          }
          assertEquals(turn + 1, optimizer.stepCount());
          gradients[3] = Float.NaN;
          parameters.forEach(parameter -> parameter.gradients().copyFrom(gradients));
          launch(exec); // too early, and to be skipped besides
          for (Parameter parameter : parameters) {
            assertArrayEquals(gradients, parameter.gradients().toFloats());
          }
          assertThrows(HostBehindException.class, captured::beforeLaunch);
          assertEquals(0, optimizer.skippedSteps());
        }
      }
    }
  }

  @Test
  void aLaunchIsMadeReadyForNoLonger() {
    use(
        (optimizer, captured, exec) -> {
          captured.beforeLaunch();
          assertEquals(0, optimizer.stepCount()); // a look changes nothing
          launch(exec);
          check(1, optimizer);
          captured.beforeLaunch();
          optimizer.step();
          check(2, optimizer);
          launch(exec);
          check(2, optimizer);
          assertThrows(HostBehindException.class, captured::step);
          captured.step();
          check(3, optimizer);
        });
  }

  @Test
  void severalLaunchesAreMadeReadyAhead() {
    use(
        (optimizer, captured, exec) -> {
          for (int turn = 0; turn < 3; turn++) {
            for (int i = 0; i < 16; i++) {
              captured.beforeLaunch();
            }
            IllegalStateException e =
                assertThrows(IllegalStateException.class, captured::beforeLaunch);
            assertTrue(e.getMessage().contains("called 17 times without a launch"), e.getMessage());
            for (int i = 0; i < 16; i++) {
              launch(exec);
            }
          }
          check(48, optimizer);
        });
  }

  @Test
  void bothWaysFollowEachOther() {
    use(
        (optimizer, captured, exec) -> {
          for (int i = 0; i < 12; i++) {
            captured.beforeLaunch();
            launch(exec);
            captured.step();
          }
          check(24, optimizer);
        });
  }

  @Test
  void whatNeedsAnotherStateOfTheStreamIsRefused() {
    use(
        (optimizer, captured, exec) -> {
          IllegalStateException none = assertThrows(IllegalStateException.class, captured::record);
          assertTrue(none.getMessage().contains("capturing no CUDA graph"), none.getMessage());
          graph(
              GLOBAL,
              () -> {
                for (Runnable refused :
                    List.<Runnable>of(optimizer::step, captured::step, captured::beforeLaunch)) {
                  IllegalStateException e = assertThrows(IllegalStateException.class, refused::run);
                  assertTrue(e.getMessage().contains("put a captured step"), e.getMessage());
                }
                IllegalStateException e =
                    assertThrows(IllegalStateException.class, optimizer::capture);
                assertTrue(e.getMessage().contains("before the capture begins"), e.getMessage());
              });
          captured.step();
          check(1, optimizer);
        });
  }

  /** Which would end a capture, so it is refused while there are launches to wait for. */
  @Test
  void nothingWaitsForLaunchesDuringACapture() {
    use(
        (optimizer, captured, exec) -> {
          captured.step();
          graph(
              GLOBAL,
              () -> {
                for (Runnable refused :
                    List.<Runnable>of(
                        optimizer::accumulate,
                        () -> optimizer.step(0.5),
                        optimizer::capture,
                        captured::close,
                        optimizer::close,
                        optimizer::stepCount,
                        optimizer::learningRate)) {
                  assertThrows(IllegalStateException.class, refused::run);
                }
                assertTrue(optimizer.toString().contains("at step 0"), optimizer.toString());
              });
          check(1, optimizer);
          captured.step();
          check(2, optimizer);
          // All is known by now, so there is nothing to wait for.
          graph(GLOBAL, () -> assertEquals(2, optimizer.stepCount()));
        });
  }

  /** What the device has reported already is known without a wait. */
  @Test
  void whatTheDeviceReportedIsKnownDuringACapture() {
    use(
        (optimizer, captured, exec) -> {
          captured.step();
          used.device().synchronize();
          graph(GLOBAL, () -> assertEquals(1, optimizer.stepCount()));
        });
  }

  /** A plain step, that is, which would have been the device's to decide about. */
  @Test
  void aStepThatIsRefusedDuringACaptureLeavesTheNorm() {
    use(
        (optimizer, captured, exec) -> {
          captured.step();
          double norm = optimizer.gradientNorm();
          assertTrue(norm > 0, norm + " is the norm");
          graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::step));
          assertEquals(norm, optimizer.gradientNorm());
        });
  }

  /** What a first reported step or micro-batch has yet to allocate would end the capture. */
  @Test
  void nothingIsPreparedDuringACapture() {
    List<StepReport> reports = new ArrayList<>();
    try (Device device = Devices.wrapCuda(contextHandle, streamHandle);
        Parameters parameters = Parameters.on(device).add("p", values()).build();
        Optimizer optimizer =
            builder(parameters).skipNonFinite(true).listener(reports::add, 1).build()) {
      parameters.get("p").gradients().copyFrom(gradients(1));
      used = parameters.get("p").values();
      graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::step));
      optimizer.step();
      graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::step));
      graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::accumulate));
      assertEquals(0, optimizer.accumulated());
      optimizer.step();
      check(2, optimizer);
      optimizer.accumulate();
      graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::step));
      assertEquals(1, optimizer.accumulated());
      optimizer.step();
      check(3, optimizer);
      optimizer.flushReports();
      assertEquals(List.of(1L, 2L, 3L), reports.stream().map(StepReport::step).toList());
    }
  }

  /** A graph would write the tables again in each of its launches. */
  @Test
  void tensorsAreNotFollowedDuringACapture() {
    long[] handles = {CudaSim.newMemory(64), CudaSim.newMemory(64)};
    try (Device device = Devices.wrapCuda(contextHandle, streamHandle);
        Tensor gradients = device.borrowHandle(ElementType.FLOAT32, handles[0], 0, 3);
        Tensor weights = device.allocate(ElementType.FLOAT32, 3);
        Parameters parameters = Parameters.on(device).borrow("p", weights, gradients).build();
        Optimizer optimizer = builder(parameters).build()) {
      used = weights;
      optimizer.step();
      gradients.rebind(device.borrowHandle(ElementType.FLOAT32, handles[1], 0, 3));
      gradients.copyFrom(new float[] {1, 2, 3});
      graph(GLOBAL, () -> assertThrows(IllegalStateException.class, optimizer::zeroGradients));
      optimizer.zeroGradients();
      assertArrayEquals(new float[3], gradients.toFloats());
      graph(GLOBAL, optimizer::zeroGradients); // which a graph may do
    } finally {
      CudaSim.freeMemory(handles[0]);
      CudaSim.freeMemory(handles[1]);
    }
  }

  /** As the driver does: a capture ends with what would wait for the device. */
  @Test
  void theSimulatorEndsACaptureThatWaits() {
    done(() -> JCudaDriver.cuStreamBeginCapture(stream, GLOBAL));
    int[] status = new int[1];
    done(() -> JCudaDriver.cuStreamIsCapturing(stream, status));
    assertEquals(1, status[0]);
    assertEquals(
        CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
        call(() -> JCudaDriver.cuStreamSynchronize(stream)));
    done(() -> JCudaDriver.cuStreamIsCapturing(stream, status));
    assertEquals(2, status[0]);
    assertEquals(
        CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
        call(() -> JCudaDriver.cuStreamEndCapture(stream, new CUgraph())));
    done(() -> JCudaDriver.cuStreamBeginCapture(stream, GLOBAL));
    assertEquals(
        CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
        call(() -> JCudaDriver.cuMemAlloc(new CUdeviceptr(), 4)));
    assertEquals(
        CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
        call(() -> JCudaDriver.cuStreamEndCapture(stream, new CUgraph())));
    done(() -> JCudaDriver.cuStreamBeginCapture(stream, RELAXED));
    CUdeviceptr memory = new CUdeviceptr();
    done(() -> JCudaDriver.cuMemAlloc(memory, 4));
    done(() -> JCudaDriver.cuMemFree(memory));
    CUgraph graph = new CUgraph();
    done(() -> JCudaDriver.cuStreamEndCapture(stream, graph));
    done(() -> JCudaDriver.cuGraphDestroy(graph));
    assertEquals(
        CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
        call(() -> JCudaDriver.cuStreamBeginCapture(new CUstream(), GLOBAL)));
  }
}
