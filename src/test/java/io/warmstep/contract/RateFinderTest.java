package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.RateFinder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.schedule.RangeTest;
import io.warmstep.schedule.RangeTest.Outcome;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A range test leaves no trace in the parameters, and finds the same on every backend. */
class RateFinderTest {
  private static final float[] CURVATURES = {4, 2, 1, 0.5f};

  static Stream<ContractBackend> backends() {
    return ContractBackend.all().stream();
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device)
        .add("a", new float[] {1, -2, 3, 0.1f})
        .add("half", ElementType.BFLOAT16, new float[] {1.5f, -0.75f, 2, 3})
        .add("b", new float[] {-0.3f, 0.7f, 1.1f, -5})
        .build();
  }

  /** Gradients and loss of {@code sum of curvature * x^2 / 2}. */
  private static double backward(Parameters parameters) {
    double loss = 0;
    for (Parameter parameter : parameters) {
      float[] x = parameter.values().toFloats();
      for (int i = 0; i < x.length; i++) {
        loss += CURVATURES[i] * x[i] * x[i] / 2;
        x[i] *= CURVATURES[i];
      }
      parameter.gradients().copyFrom(x);
    }
    return loss;
  }

  private static List<float[]> contents(Parameters parameters) {
    List<float[]> contents = new ArrayList<>();
    for (Parameter parameter : parameters) {
      contents.add(parameter.values().toFloats());
      contents.add(parameter.gradients().toFloats());
    }
    return contents;
  }

  private static void assertSame(List<float[]> expected, List<float[]> actual) {
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), actual.get(i));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void parametersGradientsAndOtherOptimizersAreAsBefore(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters = parameters(device);
        Optimizer mine =
            Optimizer.of(parameters).rule(Momentum.heavyBall(0.9)).learningRate(0.01).build()) {
      backward(parameters);
      mine.step();
      List<float[]> before = contents(parameters);
      float[] momentum = mine.state("a", "momentum_buffer").toFloats();
      RangeTest.Result result =
          RateFinder.run(
              parameters,
              RangeTest.exponential(1e-5, 100, 200),
              builder -> builder.rule(Adam.adam()).clipNorm(1e6),
              () -> backward(parameters));
      assertTrue(result.curve().size() > RangeTest.MIN_STEPS, result.reason());
      assertSame(before, contents(parameters));
      assertArrayEquals(momentum, mine.state("a", "momentum_buffer").toFloats());
      assertEquals(1, mine.stepCount());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theEdgeOfSgdIsTwoOverTheCurvature(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters =
            Parameters.on(device).add("x", new float[] {1, -2, 3, 0.1f}).build()) {
      RangeTest.Result result =
          RateFinder.run(
              parameters,
              RangeTest.exponential(1e-4, 100, 200),
              builder -> builder.rule(Sgd.sgd()),
              () -> backward(parameters));
      assertEquals(Outcome.FOUND, result.outcome(), result.reason());
      assertEquals(2.0 / 4, result.edge().getAsDouble(), 0.1, result.reason());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void parametersAreAsBeforeIfThePassFailsOrIsNotFinite(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters = parameters(device)) {
      backward(parameters);
      List<float[]> before = contents(parameters);
      int[] passes = {0};
      IllegalStateException failure =
          assertThrows(
              IllegalStateException.class,
              () ->
                  RateFinder.run(
                      parameters,
                      RangeTest.exponential(1e-3, 1, 100),
                      builder -> builder.rule(Sgd.sgd()),
                      () -> {
                        if (++passes[0] == 5) {
                          throw new IllegalStateException("no more rows");
                        }
                        return backward(parameters);
                      }));
      assertEquals("no more rows", failure.getMessage());
      assertSame(before, contents(parameters));

      RangeTest.Result result =
          RateFinder.run(
              parameters,
              RangeTest.exponential(1e-3, 1, 100),
              builder -> builder.rule(Sgd.sgd()),
              () -> {
                for (Parameter parameter : parameters) {
                  float[] broken = new float[(int) parameter.length()];
                  Arrays.fill(broken, Float.NaN);
                  parameter.gradients().copyFrom(broken);
                }
                return Double.NaN;
              });
      assertEquals(Outcome.NOT_FINITE, result.outcome());
      assertSame(before, contents(parameters));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whatDoesNotFitIsRefusedBeforeAnythingChanges(ContractBackend backend) {
    try (Device device = backend.opener().get();
        Parameters parameters = parameters(device)) {
      RangeTest used = RangeTest.exponential(1e-3, 1, 100);
      used.report(1);
      Exception e =
          assertThrows(
              IllegalArgumentException.class,
              () -> RateFinder.run(parameters, used, builder -> builder, () -> 1));
      assertEquals(
          "test is one with 1 reports, must be new: make another for each run", e.getMessage());
      List<float[]> before = contents(parameters);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              RateFinder.run(
                  parameters,
                  RangeTest.exponential(1e-3, 1, 100),
                  builder -> builder.rule(Sgd.sgd()).clipNorm(-1),
                  () -> backward(parameters)));
      assertSame(before, contents(parameters));
    }
  }
}
