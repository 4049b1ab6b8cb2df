package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Momentum;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Garbage;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is freed of objects that were lost without being closed is what nobody can reach. */
class ForgottenTest {
  private static final int LENGTH = 1000;

  private static float[] repeated(float value) {
    float[] values = new float[LENGTH];
    java.util.Arrays.fill(values, value);
    return values;
  }

  /** Keeps one tensor of a set of parameters, and one of an optimizer's state, and nothing else. */
  private static List<Tensor> trained(Device device) {
    Parameters parameters =
        Parameters.on(device)
            .add("p", repeated(1))
            .borrow("q", device.copyOf(repeated(2)), device.copyOf(repeated(0.25f)))
            .build();
    parameters.get("p").gradients().copyFrom(repeated(0.5f));
    Optimizer optimizer =
        Optimizer.of(parameters).rule(Momentum.heavyBall(0.5)).learningRate(1).build();
    optimizer.step();
    return List.of(parameters.get("p").values(), optimizer.state("q", "momentum_buffer"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aPartKeepsTheWhole(ContractBackend backend) {
    try (Device device = backend.open()) {
      List<Tensor> kept = new ArrayList<>(trained(device));
      Garbage.collect();
      // What was freed too early would be overwritten by this.
      for (int i = 0; i < 20; i++) {
        device.copyOf(repeated(-7)).close();
      }
      assertArrayEquals(repeated(0.5f), kept.get(0).toFloats());
      assertArrayEquals(repeated(0.25f), kept.get(1).toFloats());
    }
  }

  /** A device that is known only to what lives on it. */
  private static Optimizer onADeviceOfItsOwn(ContractBackend backend) {
    Device device = backend.open();
    Parameters parameters = Parameters.on(device).add("p", ElementType.FLOAT32, LENGTH).build();
    parameters.get("p").gradients().copyFrom(repeated(0.5f));
    return Optimizer.of(parameters).rule(Momentum.heavyBall(0.5)).learningRate(1).build();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void anOptimizerKeepsItsDevice(ContractBackend backend) {
    Optimizer optimizer = onADeviceOfItsOwn(backend);
    Garbage.collect();
    optimizer.step();
    Tensor state = optimizer.state("p", "momentum_buffer");
    assertArrayEquals(repeated(0.5f), state.toFloats());
    assertEquals(1, optimizer.stepCount());
    Device device = state.device();
    optimizer.close();
    device.close();
  }

  /** Steps of optimizers that nothing refers to but the call, while garbage is collected. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aCallKeepsWhatItWorksOn(ContractBackend backend) throws InterruptedException {
    Thread collector =
        new Thread(
            () -> {
              try {
                while (true) {
                  System.gc();
                  // Without a pause every call into native code would wait for a collection.
                  Thread.sleep(5);
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    collector.start();
    try (Device device = backend.open()) {
      for (int i = 0; i < 20; i++) {
        for (Tensor kept : trained(device)) {
          kept.zero();
        }
        assertArrayEquals(repeated(3), device.copyOf(repeated(3)).toFloats());
      }
    } finally {
      collector.interrupt();
      collector.join();
    }
  }
}
