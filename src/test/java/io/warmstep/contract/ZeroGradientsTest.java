package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Gradients set to zero, in the pass that reads them or by themselves. */
class ZeroGradientsTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  /** More than two of the blocks after which gradients are set to zero. */
  private static final int LENGTH = 20_011;

  private static TestModel model(ContractBackend backend, Device device) {
    TestModel model = new TestModel(device);
    SplittableRandom random = new SplittableRandom(1);
    for (ElementType type : backend.types()) {
      for (Placement placement : backend.placements()) {
        String name = type + " " + placement;
        model.add(name, type, placement, Numbers.ordinary(random, type, LENGTH));
      }
    }
    return model.follow(RuleMatrix.rich().get(3));
  }

  private static void fill(TestModel model, int step) {
    model
        .parameters()
        .forEach(
            parameter -> {
              double[] g =
                  Numbers.ordinary(new SplittableRandom(step), parameter.values().type(), LENGTH);
              model.gradients(parameter.name(), g);
              model.reference(parameter.name()).step(step, 0.1, g);
            });
  }

  private static void assertZero(TestModel model) {
    model
        .parameters()
        .forEach(
            parameter ->
                assertArrayEquals(
                    new double[LENGTH], model.gradients(parameter.name()), parameter.name()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void inTheSamePass(ContractBackend backend) {
    try (Device device = backend.open();
        TestModel model = model(backend, device);
        Optimizer optimizer =
            Optimizer.of(model.parameters())
                .rule(RuleMatrix.rich().get(3))
                .learningRate(0.1)
                .zeroGradients(true)
                .build()) {
      for (int step = 1; step <= 2; step++) {
        fill(model, step);
        optimizer.step();
        model.check(optimizer, "zeroing");
        assertZero(model);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void byThemselves(ContractBackend backend) {
    try (Device device = backend.open();
        TestModel model = model(backend, device);
        Optimizer optimizer =
            Optimizer.of(model.parameters())
                .rule(RuleMatrix.rich().get(3))
                .learningRate(0.1)
                .build()) {
      fill(model, 1);
      optimizer.step();
      optimizer.zeroGradients();
      assertZero(model);
      model.check(optimizer, "zeroing after the step");
    }
  }
}
