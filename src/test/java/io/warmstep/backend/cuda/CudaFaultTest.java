package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceException;
import io.warmstep.DeviceLostException;
import io.warmstep.DeviceTimer;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.KernelBuildException;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.WarmstepException;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every driver call of every operation is made to fail, on the simulated driver: once, and from
 * there on for good. What comes is a typed exception, and nothing leaks.
 */
@Tag("cudasim")
class CudaFaultTest {
  /** Whatever fails when something is closed is logged: hundreds of times here. */
  private static final Logger LOG = Logger.getLogger("io.warmstep");

  private long live;
  private long violations;

  /** An operation and what must be there before it. */
  private record Operation(String name, Consumer<CudaScene> setUp, Consumer<CudaScene> act) {
    /** Closing logs a failure and goes on; a report contains it. */
    boolean throwsOnFailure() {
      return !name.endsWith("close") && !name.endsWith("report");
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static void nothing(CudaScene scene) {}

  private static final Consumer<CudaScene> DEVICE = CudaScene::openDevice;
  private static final Consumer<CudaScene> PARAMETERS = DEVICE.andThen(CudaScene::addParameters);
  private static final Consumer<CudaScene> PLAIN =
      PARAMETERS.andThen(scene -> scene.addOptimizer(builder -> {}));
  private static final Consumer<CudaScene> OPTIMIZER =
      PARAMETERS.andThen(scene -> scene.addOptimizer(CudaFaultTest::clip));
  private static final Consumer<CudaScene> STEPPED =
      OPTIMIZER.andThen(scene -> scene.optimizer.step());
  private static final Consumer<CudaScene> SCALING =
      PARAMETERS.andThen(
          scene -> scene.addOptimizer(builder -> builder.lossScaler(LossScaler.dynamic())));

  private static final Consumer<CudaScene> REPORTING =
      PARAMETERS.andThen(
          scene -> scene.addOptimizer(builder -> builder.clipNorm(1).listener(report -> {}, 1)));

  private static final Consumer<CudaScene> CAPTURED = SCALING.andThen(CudaScene::capture);
  private static final Consumer<CudaScene> CAPTURED_STEPPED =
      CAPTURED.andThen(scene -> scene.captured.step());

  static Stream<Arguments> failures() {
    List<Operation> operations =
        List.of(
            new Operation("Devices.require", CudaFaultTest::nothing, CudaScene::openDevice),
            new Operation(
                "Devices.report", CudaFaultTest::nothing, scene -> new CudaBackend().report()),
            new Operation("Devices.wrapCuda", CudaFaultTest::nothing, CudaFaultTest::wrap),
            new Operation(
                "Device.allocate",
                DEVICE,
                scene -> scene.keep(scene.device.allocate(ElementType.FLOAT32, 1000))),
            new Operation("Device.copyOf", DEVICE, CudaFaultTest::copyOf),
            new Operation("Device.borrowHandle", DEVICE, CudaFaultTest::borrow),
            new Operation("Device.timer", PARAMETERS, CudaFaultTest::time),
            new Operation("Device.synchronize", PARAMETERS, scene -> scene.device.synchronize()),
            new Operation("Device.close", STEPPED, scene -> scene.device.close()),
            new Operation("Tensor.toFloats", PARAMETERS, CudaScene::values),
            new Operation(
                "Tensor.copyFrom", PARAMETERS, scene -> scene.values(0).copyFrom(new float[3])),
            new Operation(
                "Tensor.copyFrom, within",
                PARAMETERS,
                scene -> scene.values(0).copyFrom(scene.values(1))),
            new Operation("Tensor.zero", PARAMETERS, scene -> scene.values(0).zero()),
            new Operation("Tensor.close", PARAMETERS, scene -> scene.values(0).close()),
            new Operation("Parameters.build", DEVICE, CudaScene::addParameters),
            new Operation("Parameters.close", PARAMETERS, scene -> scene.parameters.close()),
            new Operation(
                "Optimizer.build", PARAMETERS, scene -> scene.addOptimizer(CudaFaultTest::clip)),
            new Operation("Optimizer.step, plain", PLAIN, scene -> scene.optimizer.step()),
            new Operation("Optimizer.step, clipped", OPTIMIZER, scene -> scene.optimizer.step()),
            new Operation("Optimizer.step, second", STEPPED, scene -> scene.optimizer.step()),
            new Operation("Optimizer.step, scaled", SCALING, scene -> scene.optimizer.step()),
            // Which may go on if its room is what failed.
            new Operation("A measured step", REPORTING, scene -> scene.optimizer.step()),
            new Operation(
                "Optimizer.state",
                STEPPED,
                scene -> scene.optimizer.state("t0", "exp_avg").toFloats()),
            new Operation(
                "Optimizer.gradientNorm", STEPPED, scene -> scene.optimizer.gradientNorm()),
            new Operation(
                "Optimizer.zeroGradients", STEPPED, scene -> scene.optimizer.zeroGradients()),
            new Operation("Optimizer.capture", SCALING, CudaScene::capture),
            new Operation("CapturedStep.step", CAPTURED, scene -> scene.captured.step()),
            new Operation(
                "CapturedStep.step, second", CAPTURED_STEPPED, scene -> scene.captured.step()),
            new Operation(
                "CapturedStep.beforeLaunch", CAPTURED, scene -> scene.captured.beforeLaunch()),
            new Operation(
                "Optimizer.stepCount", CAPTURED_STEPPED, scene -> scene.optimizer.stepCount()),
            new Operation("CapturedStep.close", CAPTURED_STEPPED, scene -> scene.captured.close()),
            new Operation("Optimizer.close", STEPPED, scene -> scene.optimizer.close()));
    List<Failure> all = new ArrayList<>();
    for (Operation operation : operations) {
      for (int code :
          new int[] {CudaSim.INVALID_VALUE, CudaSim.OUT_OF_MEMORY, CudaSim.LAUNCH_FAILED}) {
        for (boolean forGood : new boolean[] {false, true}) {
          for (boolean throwsItself : new boolean[] {false, true}) {
            all.add(new Failure(operation, code, forGood, throwsItself));
          }
        }
      }
    }
    return (RuleMatrix.IS_FULL ? all : PairCover.of(all, Failure::choices))
        .stream().map(Arguments::of);
  }

  /**
   * How an operation's calls fail. By default every two choices come together.
   *
   * @param throwsItself whether JCuda throws exceptions of its own, as it does if anybody in the
   *     process asked for them
   */
  private record Failure(Operation operation, int code, boolean forGood, boolean throwsItself) {
    List<String> choices() {
      return List.of(
          "operation " + operation,
          "code " + code,
          "for good " + forGood,
          "throws itself " + throwsItself);
    }
  }

  private static void borrow(CudaScene scene) {
    long memory = CudaSim.newMemory(4000);
    scene.onClose(() -> CudaSim.freeMemory(memory));
    scene.keep(scene.device.borrowHandle(ElementType.FLOAT32, memory, 0, 1000));
  }

  private static void time(CudaScene scene) {
    try (DeviceTimer timer = scene.device.timer()) {
      timer.start();
      scene.values(0).zero();
      timer.stop();
      timer.millis();
    }
  }

  private static void wrap(CudaScene scene) {
    long context = CudaSim.newContext();
    scene.onClose(() -> CudaSim.endContext(context, 0));
    scene.device = scene.keep(Devices.wrapCuda(context, 0));
  }

  private static void clip(OptimizerBuilder builder) {
    builder.clipNorm(1);
  }

  private static void copyOf(CudaScene scene) {
    try (Tensor tensor = scene.device.copyOf(new double[] {1, 2, 3})) {
      assertArrayEquals(new double[] {1, 2, 3}, tensor.toDoubles());
    }
  }

  @BeforeAll
  static void silence() {
    LOG.setLevel(Level.OFF);
  }

  @AfterAll
  static void speak() {
    LOG.setLevel(null);
  }

  @BeforeEach
  void begin() {
    CudaSim.load();
    CudaSim.failNothing();
    live = CudaSim.live();
    violations = CudaSim.violations();
  }

  @AfterEach
  void end() {
    CudaSim.failNothing();
    JCudaDriver.setExceptionsEnabled(false);
    assertTrue(CudaSim.primaryUses() <= 1, "the primary context is retained once");
    assertEquals(violations, CudaSim.violations(), "damaged guard zones and misused handles");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("failures")
  void everyCallFails(Failure failure) throws Exception {
    JCudaDriver.setExceptionsEnabled(failure.throwsItself);
    failEveryCall(failure.operation, failure.code, failure.forGood);
  }

  private void failEveryCall(Operation operation, int code, boolean forGood) throws Exception {
    int failures = 0;
    for (long call = 1; ; call++) {
      String what = operation + ", call " + call + ", code " + code + ", for good: " + forGood;
      boolean reached;
      try (CudaScene scene = new CudaScene()) {
        operation.setUp.accept(scene);
        CudaSim.failAt(call, code, forGood);
        try {
          operation.act.accept(scene);
        } catch (WarmstepException e) {
          failures++;
          checkMessage(what, code, e);
          checkRefusesToGoOn(operation, scene, what);
        }
        reached = CudaSim.calls() >= call;
        if (!forGood) {
          CudaSim.failNothing(); // else closing fails as well
        }
      }
      CudaSim.failNothing();
      assertEquals(live, CudaSim.live(), what + ": handles and allocations left");
      assertEquals(0, CudaSim.current(), what + ": contexts on this thread's stack");
      if (!reached) {
        assertTrue(failures > 0 || !operation.throwsOnFailure(), operation + " never failed");
        return;
      }
    }
  }

  private static void checkMessage(String what, int code, WarmstepException e) {
    Throwable cause = e instanceof StepFailedException ? e.getCause() : e;
    String message = String.valueOf(cause.getMessage());
    assertTrue(message.matches(".+ (failed on|cannot be used: ).*"), what + ": " + message);
    Class<?> expected =
        switch (code) {
          case CudaSim.OUT_OF_MEMORY -> OutOfDeviceMemoryException.class;
          case CudaSim.LAUNCH_FAILED -> DeviceLostException.class;
          default -> DeviceException.class;
        };
    if (!message.contains("cannot be used")) {
      assertEquals(expected, cause.getClass(), what + ": " + message);
      assertTrue(message.contains("(" + code + ")"), what + ": no code in " + message);
    }
  }

  private static void checkRefusesToGoOn(Operation operation, CudaScene scene, String what) {
    if (operation.name.startsWith("Optimizer.step")) {
      CudaSim.failNothing();
      assertThrows(StepFailedException.class, scene.optimizer::step, what);
    }
  }

  /** Once or for good, it is counted exactly if it happened. */
  @ParameterizedTest(name = "for good: {0}")
  @ValueSource(booleans = {false, true})
  void aStepHappensOrFails(boolean forGood) throws Exception {
    float[] expected;
    try (CudaScene scene = new CudaScene()) {
      STEPPED.accept(scene);
      expected = scene.values();
    }
    boolean reached = true;
    for (long call = 1; reached; call++) {
      try (CudaScene scene = new CudaScene()) {
        OPTIMIZER.accept(scene);
        CudaSim.failAt(call, CudaSim.INVALID_VALUE, forGood);
        boolean happened = true;
        try {
          scene.optimizer.step();
        } catch (StepFailedException e) {
          happened = false;
        }
        reached = CudaSim.calls() >= call;
        CudaSim.failNothing();
        assertEquals(happened ? 1 : 0, scene.optimizer.stepCount());
        if (happened) {
          assertArrayEquals(expected, scene.values(), "call " + call);
        }
      }
    }
  }

  @Test
  void outOfMemoryLeavesTheDeviceUsable() throws Exception {
    try (CudaScene scene = new CudaScene()) {
      STEPPED.accept(scene);
      float[] expected = scene.values();
      int outOfMemory = 0;
      boolean reached = true;
      for (long call = 1; reached; call++) {
        long before = CudaSim.live();
        CudaScene another = new CudaScene();
        another.device = scene.device;
        CudaSim.failAt(call, CudaSim.OUT_OF_MEMORY, false);
        try {
          another.addParameters();
          another.addOptimizer(CudaFaultTest::clip);
        } catch (OutOfDeviceMemoryException e) {
          outOfMemory++;
        }
        reached = CudaSim.calls() >= call;
        CudaSim.failNothing();
        another.close();
        assertEquals(before, CudaSim.live(), "call " + call);

        CudaScene afterwards = new CudaScene();
        afterwards.device = scene.device;
        afterwards.addParameters();
        afterwards.addOptimizer(CudaFaultTest::clip);
        afterwards.optimizer.step();
        assertArrayEquals(expected, afterwards.values(), "after call " + call);
        afterwards.close();
      }
      assertTrue(outOfMemory > 2 * CudaScene.TENSORS, outOfMemory + " failures");
    }
  }

  @Test
  void tooMuchMemoryIsRefused() {
    CudaSim.memoryLimit(1 << 20);
    try (Device device = Devices.require("cuda")) {
      OutOfDeviceMemoryException e =
          assertThrows(
              OutOfDeviceMemoryException.class,
              () -> device.allocate(ElementType.FLOAT32, 1 << 20));
      assertTrue(e.getMessage().contains("of 4194304 bytes"), e.getMessage());
      device.allocate(ElementType.FLOAT32, 1000).close();
    } finally {
      CudaSim.memoryLimit(8L << 30);
    }
  }

  /** What the driver says of PTX that it cannot compile, and what to do then. */
  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '"',
      value = {
        "200, CUDA_ERROR_INVALID_IMAGE, the driver's compiler does not accept the kernel:"
            + " Warmstep's jar may be damaged",
        "209, CUDA_ERROR_NO_BINARY_FOR_GPU, the driver compiles no kernels for this GPU",
        "218, CUDA_ERROR_INVALID_PTX, the driver's compiler does not accept the kernel: Warmstep's"
            + " jar may be damaged",
        "221, CUDA_ERROR_JIT_COMPILER_NOT_FOUND, install libnvidia-ptxjitcompiler.so.1",
        "222, CUDA_ERROR_UNSUPPORTED_PTX_VERSION, the driver is older than the kernel's version of"
            + " PTX",
        "223, CUDA_ERROR_JIT_COMPILATION_DISABLED, unset CUDA_DISABLE_PTX_JIT"
      })
  void kernelsThatDoNotBuild(int code, String name, String advice) {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[3]).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1);
      long before = CudaSim.live();
      boolean failed = false;
      for (int call = 1; !failed; call++) {
        CudaSim.failAt(call, code, false); // loading the module is one of the first calls
        WarmstepException e = assertThrows(WarmstepException.class, builder::build);
        failed = e.getMessage().contains("cuModuleLoadData");
        if (failed) {
          assertEquals(KernelBuildException.class, e.getClass());
          assertTrue(e.getMessage().contains(name + " (" + code + "): " + advice), e.getMessage());
        }
        CudaSim.failNothing();
        assertEquals(before, CudaSim.live(), "call " + call);
      }
      builder.build().close();
    }
  }
}
