package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceException;
import io.warmstep.DeviceLostException;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.KernelBuildException;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.WarmstepException;
import io.warmstep.rule.Adam;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every driver call of every operation is made to fail, on the simulated driver: once, and from
 * there on for good. What comes is a typed exception, and nothing leaks.
 */
@Tag("cudasim")
class CudaFaultTest {
  private static final int TENSORS = 10;

  private long live;
  private long violations;

  /** Whose close throws nothing checked. */
  @FunctionalInterface
  private interface Resource {
    void close();
  }

  /** What an operation may use; closed at the end, what was opened last first. */
  private static final class Scene implements AutoCloseable {
    private final List<Resource> open = new ArrayList<>();
    Device device;
    Parameters parameters;
    Optimizer optimizer;

    void onClose(Resource resource) {
      open.add(resource);
    }

    Device keep(Device resource) {
      open.add(resource::close);
      return resource;
    }

    Tensor keep(Tensor resource) {
      open.add(resource::close);
      return resource;
    }

    Parameters keep(Parameters resource) {
      open.add(resource::close);
      return resource;
    }

    Optimizer keep(Optimizer resource) {
      open.add(resource::close);
      return resource;
    }

    void openDevice() {
      device = keep(Devices.require("cuda"));
    }

    void addParameters() {
      Parameters.Builder builder = Parameters.on(device);
      for (int i = 0; i < TENSORS; i++) {
        Tensor values = keep(device.copyOf(new float[] {i + 1, i + 2, i + 3}));
        Tensor gradients = keep(device.copyOf(new float[] {1, -1, 0.5f}));
        builder.borrow("t" + i, values, gradients);
      }
      builder.add("owned", new double[] {1, 2});
      parameters = keep(builder.build());
    }

    void addOptimizer(boolean scales) {
      Optimizer.Builder builder =
          Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.1).clipNorm(1);
      if (scales) {
        builder.lossScaler(LossScaler.dynamic());
      }
      optimizer = keep(builder.build());
    }

    float[] values() {
      float[] all = new float[3 * TENSORS];
      for (int i = 0; i < TENSORS; i++) {
        System.arraycopy(parameters.get("t" + i).values().toFloats(), 0, all, 3 * i, 3);
      }
      return all;
    }

    @Override
    public void close() {
      for (int i = open.size() - 1; i >= 0; i--) {
        open.get(i).close();
      }
    }
  }

  /** An operation and what must be there before it. */
  private record Operation(String name, Consumer<Scene> setUp, Consumer<Scene> act) {
    /** Closing logs a failure and goes on; a report tells it. */
    boolean throwsOnFailure() {
      return !name.endsWith("close") && !name.endsWith("report");
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static void nothing(Scene scene) {}

  private static final Consumer<Scene> DEVICE = Scene::openDevice;
  private static final Consumer<Scene> PARAMETERS = DEVICE.andThen(Scene::addParameters);
  private static final Consumer<Scene> OPTIMIZER =
      PARAMETERS.andThen(scene -> scene.addOptimizer(false));
  private static final Consumer<Scene> STEPPED = OPTIMIZER.andThen(scene -> scene.optimizer.step());
  private static final Consumer<Scene> SCALING =
      PARAMETERS.andThen(scene -> scene.addOptimizer(true));

  static Stream<Arguments> operations() {
    List<Operation> operations =
        List.of(
            new Operation("Devices.require", CudaFaultTest::nothing, Scene::openDevice),
            new Operation(
                "Devices.report", CudaFaultTest::nothing, scene -> new CudaBackend().report()),
            new Operation("Devices.wrapCuda", CudaFaultTest::nothing, CudaFaultTest::wrap),
            new Operation(
                "Device.allocate",
                DEVICE,
                scene -> scene.keep(scene.device.allocate(ElementType.FLOAT32, 1000))),
            new Operation("Device.copyOf", DEVICE, CudaFaultTest::copyOf),
            new Operation("Device.synchronize", PARAMETERS, scene -> scene.device.synchronize()),
            new Operation("Device.close", STEPPED, scene -> scene.device.close()),
            new Operation("Tensor.toFloats", PARAMETERS, Scene::values),
            new Operation("Parameters.build", DEVICE, Scene::addParameters),
            new Operation("Parameters.close", PARAMETERS, scene -> scene.parameters.close()),
            new Operation("Optimizer.build", PARAMETERS, scene -> scene.addOptimizer(false)),
            new Operation("Optimizer.step", OPTIMIZER, scene -> scene.optimizer.step()),
            new Operation("Optimizer.step, scaled", SCALING, scene -> scene.optimizer.step()),
            new Operation(
                "Optimizer.gradientNorm", STEPPED, scene -> scene.optimizer.gradientNorm()),
            new Operation(
                "Optimizer.zeroGradients", STEPPED, scene -> scene.optimizer.zeroGradients()),
            new Operation("Optimizer.close", STEPPED, scene -> scene.optimizer.close()));
    return operations.stream()
        .flatMap(
            operation ->
                Stream.of(CudaSim.INVALID_VALUE, CudaSim.OUT_OF_MEMORY, CudaSim.LAUNCH_FAILED)
                    .flatMap(
                        code ->
                            Stream.of(
                                Arguments.of(operation, code, false),
                                Arguments.of(operation, code, true))));
  }

  private static void wrap(Scene scene) {
    long context = CudaSim.newContext();
    scene.onClose(() -> CudaSim.endContext(context, 0));
    scene.device = scene.keep(Devices.wrapCuda(context, 0));
  }

  private static void copyOf(Scene scene) {
    try (Tensor tensor = scene.device.copyOf(new double[] {1, 2, 3})) {
      assertArrayEquals(new double[] {1, 2, 3}, tensor.toDoubles());
    }
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
    assertEquals(violations, CudaSim.violations(), "damaged guard zones and misused handles");
  }

  @ParameterizedTest(name = "{0}, code {1}, for good: {2}")
  @MethodSource("operations")
  void everyCallFails(Operation operation, int code, boolean forGood) throws Exception {
    int failures = 0;
    for (long call = 1; ; call++) {
      String what = operation + ", call " + call + ", code " + code + ", for good: " + forGood;
      boolean reached;
      try (Scene scene = new Scene()) {
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
    assertTrue(message.contains("cu"), what + ": no operation in " + message);
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

  private static void checkRefusesToGoOn(Operation operation, Scene scene, String what) {
    if (operation.name.startsWith("Optimizer.step")) {
      CudaSim.failNothing();
      assertThrows(StepFailedException.class, scene.optimizer::step, what);
    }
  }

  @Test
  void aStepThatThrowsNothingHappened() throws Exception {
    float[] expected;
    try (Scene scene = new Scene()) {
      STEPPED.accept(scene);
      expected = scene.values();
    }
    boolean reached = true;
    for (long call = 1; reached; call++) {
      try (Scene scene = new Scene()) {
        OPTIMIZER.accept(scene);
        CudaSim.failAt(call, CudaSim.INVALID_VALUE, false);
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
    try (Scene scene = new Scene()) {
      STEPPED.accept(scene);
      float[] expected = scene.values();
      int outOfMemory = 0;
      boolean reached = true;
      for (long call = 1; reached; call++) {
        long before = CudaSim.live();
        Scene another = new Scene();
        another.device = scene.device;
        CudaSim.failAt(call, CudaSim.OUT_OF_MEMORY, false);
        try {
          another.addParameters();
          another.addOptimizer(false);
        } catch (OutOfDeviceMemoryException e) {
          outOfMemory++;
        }
        reached = CudaSim.calls() >= call;
        CudaSim.failNothing();
        another.close();
        assertEquals(before, CudaSim.live(), "call " + call);

        Scene afterwards = new Scene();
        afterwards.device = scene.device;
        afterwards.addParameters();
        afterwards.addOptimizer(false);
        afterwards.optimizer.step();
        assertArrayEquals(expected, afterwards.values(), "after call " + call);
        afterwards.close();
      }
      assertTrue(outOfMemory > 2 * TENSORS, outOfMemory + " failures");
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

  @Test
  void ptxThatTheDriverRefuses() {
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", new float[3]).build()) {
      Optimizer.Builder builder = Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1);
      CudaSim.failAt(2, 218, false); // the first call makes the context current
      KernelBuildException e = assertThrows(KernelBuildException.class, builder::build);
      assertTrue(e.getMessage().contains("CUDA_ERROR_INVALID_PTX"), e.getMessage());
      CudaSim.failNothing();
      builder.build().close();
    }
  }
}
