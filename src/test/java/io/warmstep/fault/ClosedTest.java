package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Use after close, of everything by every method; and closing twice, in any order. */
class ClosedTest {
  private final Device device = Devices.cpu(2);
  private final Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
  private final Optimizer optimizer =
      Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).clipNorm(1).build();
  private final Tensor state = optimizer.state("p", "exp_avg");
  private final Tensor values = parameters.get("p").values();

  @AfterEach
  void close() {
    optimizer.close();
    parameters.close();
    device.close();
    optimizer.close();
    parameters.close();
    device.close();
  }

  private static void assertClosed(String what, Executable... calls) {
    for (Executable call : calls) {
      assertEquals(
          what + " is closed: close it after its last use, or make another one",
          assertThrows(ClosedException.class, call).getMessage());
    }
  }

  private static Executable[] uses(Tensor tensor) {
    int n = (int) tensor.length();
    return new Executable[] {
      () -> tensor.copyFrom(new float[n]),
      () -> tensor.copyFrom(new double[n]),
      () -> tensor.copyTo(new float[n]),
      () -> tensor.copyTo(new double[n]),
      () -> tensor.copyFromBits(new short[n]),
      () -> tensor.copyToBits(new short[n]),
      tensor::toFloats,
      tensor::toDoubles,
      tensor::zero,
      () -> tensor.slice(0, n),
      () -> tensor.copyFrom(tensor),
      () -> tensor.rebind(tensor),
      () -> tensor.copyFrom(FloatBuffer.allocate(n)),
      () -> tensor.copyTo(FloatBuffer.allocate(n)),
      () -> tensor.copyFrom(direct(n).asFloatBuffer()),
      () -> tensor.copyTo(direct(n).asFloatBuffer()),
      () -> tensor.copyFrom(DoubleBuffer.allocate(n)),
      () -> tensor.copyTo(DoubleBuffer.allocate(n))
    };
  }

  private static ByteBuffer direct(int floats) {
    return ByteBuffer.allocateDirect(Float.BYTES * floats).order(ByteOrder.nativeOrder());
  }

  private Executable[] usesOfOptimizer() {
    return new Executable[] {
      optimizer::step,
      optimizer::zeroGradients,
      optimizer::gradientNorm,
      optimizer::accumulate,
      optimizer::eval,
      optimizer::train,
      optimizer::flushReports,
      optimizer::stateBytes,
      optimizer::capture,
      () -> optimizer.learningRate(0.5),
      () -> optimizer.groups().freeze("*"),
      () -> optimizer.save(Path.of("nowhere")),
      () -> optimizer.state("p", "exp_avg")
    };
  }

  @Test
  void anOptimizer() {
    optimizer.close();
    assertClosed("optimizer", usesOfOptimizer());
    assertClosed("optimizer", uses(state));
    assertEquals(0, optimizer.stepCount(), "counters can still be read");
    assertEquals(List.of("exp_avg", "exp_avg_sq"), optimizer.stateNames("p"));
    assertEquals(1f, values.toFloats()[0], "parameters stay");
  }

  @Test
  void parametersUnderAnOptimizer() {
    parameters.close();
    assertClosed("parameter set", usesOfOptimizer());
    assertClosed("parameter set", uses(values));
    assertClosed("parameter set", () -> Optimizer.of(parameters));
  }

  @Test
  void parametersBetweenOfAndBuild() {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(Adam.adam()).learningRate(1);
    parameters.close();
    assertClosed("parameter set", builder::build);
  }

  @Test
  void aDeviceUnderEverything() {
    ParametersBuilder builder = Parameters.on(device);
    Tensor tensor = device.allocate(ElementType.FLOAT32, 3);
    device.close();
    ByteBuffer bytes = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    assertClosed(
        "device cpu",
        () -> device.allocate(ElementType.FLOAT32, 1),
        () -> device.copyOf(new float[1]),
        () -> device.copyOf(new double[1]),
        () -> device.borrow(new float[1]),
        () -> device.borrow(new float[1], 0, 1),
        () -> device.borrow(new double[1]),
        () -> device.borrow(new double[1], 0, 1),
        () -> device.borrow(ElementType.FLOAT16, new short[1]),
        () -> device.borrow(FloatBuffer.allocate(1)),
        () -> device.borrow(DoubleBuffer.allocate(1)),
        () -> device.borrow(ElementType.FLOAT32, bytes),
        device::synchronize,
        () -> Parameters.on(device),
        builder::build);
    assertClosed("device cpu", uses(tensor));
    assertClosed("device cpu", uses(values));
    assertClosed("device cpu", usesOfOptimizer());
    assertEquals("cpu", device.name(), "what it was can still be read");
    tensor.close();
  }

  @Test
  void aBorrowedTensorUnderAnOptimizer() {
    float[] array = {1};
    Tensor borrowed = device.borrow(array);
    Tensor gradients = device.borrow(new float[] {1});
    try (Parameters lent = Parameters.on(device).borrow("p", borrowed, gradients).build();
        Optimizer other = Optimizer.of(lent).rule(Adam.adam()).learningRate(1).build()) {
      gradients.close();
      assertClosed("tensor of 1 float32", other::step, other::zeroGradients);
      assertClosed("tensor of 1 float32", uses(gradients));
      assertClosed(
          "tensor of 1 float32", () -> Parameters.on(device).borrow("q", borrowed, gradients));
      assertEquals(1f, array[0]);
      assertEquals(0, other.stepCount());
    }
    borrowed.close();
    borrowed.close();
  }

  @Test
  void tensorsOfEveryKind() {
    for (ElementType type : ElementType.values()) {
      for (int length : new int[] {0, 3}) {
        Tensor tensor = device.allocate(type, length);
        Tensor part = tensor.slice(0, length);
        tensor.close();
        assertClosed("tensor of " + length + " " + type, uses(tensor));
        assertClosed("tensor of " + length + " " + type, uses(part));
      }
    }
  }

  @Test
  void aTimer() {
    DeviceTimer timer = device.timer();
    DeviceTimer other = device.timer();
    for (DeviceTimer each : List.of(timer, other)) {
      each.start();
    }
    timer.close();
    assertClosed("timer on cpu", timer::start, timer::stop, timer::millis);
    device.close();
    assertClosed("device cpu", other::start, other::stop, other::millis, device::timer);
    other.close();
    other.close();
  }

  /** Parameters that were added to others are closed apart from them. */
  @Test
  void parametersThatWereAdded() {
    Parameters more = Parameters.on(device).add("q", new float[] {1}).build();
    optimizer.groups().add(more);
    optimizer.step();
    more.close();
    assertClosed("parameter set", optimizer::step, optimizer::zeroGradients);
    assertEquals(1, optimizer.stepCount());
  }

  @Test
  void closingAPartLeavesTheWhole() {
    values.close();
    state.close();
    optimizer.step();
    assertEquals(1, optimizer.stepCount());
    assertEquals(1, values.toFloats().length);
  }
}
