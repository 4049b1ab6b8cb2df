package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.ContractBackend;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What may change from one step to the next: the gradient scale and the learning rate. */
class BetweenStepsTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final float[] VALUES = {1, 2, 3, -4};

  /** Parameters after steps of one optimizer on the same gradients. */
  private static float[] trained(
      Device device, Consumer<OptimizerBuilder> options, Consumer<Optimizer> steps) {
    try (Parameters parameters = Parameters.on(device).add("w", VALUES).build()) {
      parameters.get("w").gradients().copyFrom(new float[] {8, -4, 0.5f, 3});
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Momentum.heavyBall(0.9)).learningRate(0.125).clipNorm(3);
      options.accept(builder);
      try (Optimizer optimizer = builder.build()) {
        steps.accept(optimizer);
        return parameters.get("w").values().toFloats();
      }
    }
  }

  private static void steps(Optimizer optimizer, int count) {
    for (int i = 0; i < count; i++) {
      optimizer.step();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aStepsOwnGradientScaleIsTheBuildersForThatStep(ContractBackend backend) {
    try (Device device = backend.open()) {
      float[] expected =
          trained(device, builder -> builder.gradientScale(0.3), optimizer -> steps(optimizer, 3));
      float[] actual =
          trained(
              device,
              builder -> builder.gradientScale(0.3),
              optimizer -> {
                optimizer.step();
                optimizer.step(0.3);
                optimizer.step();
              });
      assertArrayEquals(expected, actual);
      float[] other =
          trained(
              device,
              builder -> {},
              optimizer -> {
                for (int i = 0; i < 3; i++) {
                  optimizer.step(0.3);
                }
              });
      assertArrayEquals(expected, other);
      assertFalse(
          java.util.Arrays.equals(
              expected, trained(device, builder -> {}, optimizer -> steps(optimizer, 3))));
    }
  }

  /** The loss scale divides as it does in other steps. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aStepsOwnGradientScaleIsDividedByTheLossScale(ContractBackend backend) {
    try (Device device = backend.open()) {
      float[] expected = trained(device, builder -> {}, optimizer -> optimizer.step(0.25 / 8));
      float[] actual =
          trained(
              device,
              builder -> builder.lossScaler(LossScaler.fixed(8)),
              optimizer -> optimizer.step(0.25));
      assertArrayEquals(expected, actual);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void whetherTheLastStepWasSkippedIsKnown(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("w", VALUES).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      assertFalse(optimizer.isLastStepSkipped());
      parameters.get("w").gradients().copyFrom(new float[] {1, Float.NaN, 1, 1});
      optimizer.step();
      assertTrue(optimizer.isLastStepSkipped());
      parameters.get("w").gradients().zero();
      optimizer.step();
      assertFalse(optimizer.isLastStepSkipped());
      assertEquals(1, optimizer.skippedSteps());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aConstantLearningRateIsSetBetweenSteps(ContractBackend backend) {
    try (Device device = backend.open()) {
      float[] expected =
          trained(
              device,
              builder -> builder.learningRate(step -> step <= 2 ? 0.125 : 0.03),
              optimizer -> steps(optimizer, 4));
      float[] actual =
          trained(
              device,
              builder -> {},
              optimizer -> {
                steps(optimizer, 2);
                optimizer.learningRate(0.03);
                assertEquals(0.125, optimizer.learningRate(), "that of the last step");
                steps(optimizer, 2);
                assertEquals(0.03, optimizer.learningRate());
              });
      assertArrayEquals(expected, actual);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void whatIsRefusedChangesNothing(ContractBackend backend) {
    try (Device device = backend.open()) {
      float[] expected = trained(device, builder -> {}, optimizer -> steps(optimizer, 2));
      float[] actual =
          trained(
              device,
              builder -> {},
              optimizer -> {
                optimizer.step();
                for (double bad : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY, 1e-60}) {
                  assertThrows(
                      IllegalArgumentException.class, () -> optimizer.learningRate(bad), "" + bad);
                  assertThrows(IllegalArgumentException.class, () -> optimizer.step(bad), "" + bad);
                }
                assertEquals(
                    "gradientScale is 0.0, must be above 0 and a normal float32 number: pass one"
                        + " over the number of batches that are summed, or 1",
                    assertThrows(IllegalArgumentException.class, () -> optimizer.step(0))
                        .getMessage());
                optimizer.step();
              });
      assertArrayEquals(expected, actual);
      trained(
          device,
          builder -> builder.learningRate(step -> 0.1),
          optimizer ->
              assertEquals(
                  "the learning rate follows a schedule: set it between steps where the optimizer"
                      + " was built with a constant one",
                  assertThrows(IllegalStateException.class, () -> optimizer.learningRate(0.5))
                      .getMessage()));
    }
  }
}
