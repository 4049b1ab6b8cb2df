package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lion;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Rprop;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Where formulas of single rules bend, which trajectories of random numbers do not reach. */
class RuleEdgesTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#representatives";

  /** Of float32, and float64 where there is any. */
  private static List<ElementType> types(ContractBackend backend) {
    return backend.hasFloat64()
        ? List.of(ElementType.FLOAT32, ElementType.FLOAT64)
        : List.of(ElementType.FLOAT32);
  }

  /** How far steps move parameters that begin at 0, each with gradients of its own. */
  private static double[] moved(
      ContractBackend backend, ElementType type, UpdateRule rule, double[]... gradients) {
    int length = gradients[0].length;
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("w", type, length).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(0x1p-10).build()) {
      Tensor values = parameters.get("w").values();
      for (int i = 0; i < gradients.length - 1; i++) {
        parameters.get("w").gradients().copyFrom(gradients[i]);
        optimizer.step();
      }
      values.zero();
      parameters.get("w").gradients().copyFrom(gradients[gradients.length - 1]);
      optimizer.step();
      return values.toDoubles();
    }
  }

  static Stream<Arguments> cautious() {
    return ContractBackend.representatives().stream()
        .flatMap(
            backend ->
                Stream.of(
                    Arguments.of(backend, Lion.lion().weightDecay(0), Lion.lion().caution(true)),
                    Arguments.of(
                        backend, NAdamW.nAdamW().weightDecay(0), NAdamW.nAdamW().caution(true)),
                    Arguments.of(
                        backend, Adam.adamW().weightDecay(0), Adam.adamW().caution(true))));
  }

  /** What still moves does so by as much more as there is less of it, up to a thousand times. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("cautious")
  void caution(ContractBackend backend, UpdateRule plain, UpdateRule cautious) {
    int length = 4096;
    double[] first = new double[length];
    Arrays.fill(first, 1);
    for (int agreeing : new int[] {length, length / 2, 1}) {
      double factor = length / Math.max(agreeing, 1e-3 * length);
      double[] last = new double[length];
      // Too small to turn the average.
      Arrays.setAll(last, i -> i < agreeing ? 1 : -0x1p-10);
      for (ElementType type : types(backend)) {
        double[] whole = moved(backend, type, plain, first, last);
        double[] some = moved(backend, type, cautious.weightDecay(0), first, last);
        for (int i = 0; i < length; i++) {
          double expected = i < agreeing ? factor * whole[i] : 0;
          assertTrue(whole[i] < 0);
          assertEquals(expected, some[i], 1e-5 * Math.abs(expected), type + ", " + agreeing);
        }
      }
    }
  }

  /** From its start the estimate goes at once to what the sums say; a rate limits it from there. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void prodigysEstimateThatMayNotGrowStays(ContractBackend backend) {
    for (ElementType type : types(backend)) {
      for (double growth : new double[] {1, 0}) { // 0 is no limit
        Prodigy rule = Prodigy.prodigy().d0(0x1p-6).growthRate(growth);
        try (Device device = backend.open();
            Parameters parameters = Parameters.on(device).add("w", type, 64).build();
            Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1).build()) {
          double[] gradients = new double[64];
          Arrays.fill(gradients, 1);
          Set<Double> estimates = new TreeSet<>();
          for (int i = 0; i < 20; i++) {
            parameters.get("w").gradients().copyFrom(gradients);
            optimizer.step();
            estimates.add(optimizer.state("w", "d").toDoubles()[0]);
          }
          assertEquals(growth == 1, estimates.size() <= 2, type + ": " + estimates);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void prodigyDecaysTowardsZero(ContractBackend backend) {
    for (ElementType type : types(backend)) {
      UpdateRule rule = Prodigy.prodigy().d0(1).weightDecay(0.5);
      try (Device device = backend.open();
          Parameters parameters = Parameters.on(device).add("w", type, 2).build();
          Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(0x1p-5).build()) {
        Tensor values = parameters.get("w").values();
        values.copyFrom(new double[] {64, -64});
        for (int i = 0; i < 2; i++) {
          parameters.get("w").gradients().copyFrom(new double[] {1e-3, 1e-3});
          optimizer.step();
        }
        // Each step keeps 1 - d * rate * decay of 64, and moves by less than the rate.
        double kept = 64 * Math.pow(1 - 0x1p-6, 2);
        assertArrayEquals(new double[] {kept, -kept}, values.toDoubles(), 0.25, type.toString());
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void rpropKeepsTheLargestGradients(ContractBackend backend) {
    for (ElementType type : types(backend)) {
      double largest = type == ElementType.FLOAT32 ? Float.MAX_VALUE : Double.MAX_VALUE;
      double[] gradients = {largest, -largest, 1, Math.scalb(largest, -1)};
      try (Device device = backend.open();
          Parameters parameters = Parameters.on(device).add("w", type, 4).build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(Rprop.rprop()).learningRate(0.25).build()) {
        parameters.get("w").gradients().copyFrom(gradients);
        optimizer.step();
        assertArrayEquals(gradients, optimizer.state("w", "prev").toDoubles(), type.toString());
        double[] moved = {-0.25, 0.25, -0.25, -0.25};
        assertArrayEquals(moved, parameters.get("w").values().toDoubles(), type.toString());
      }
    }
  }
}
