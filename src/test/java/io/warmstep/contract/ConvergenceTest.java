package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule finds the minimum of a stretched parabola and of Rosenbrock's valley. One way of each
 * backend does so, in up to 60,000 steps that wait for each other; the others have its bits.
 */
class ConvergenceTest {
  /** A rule with a rate and a number of steps that suffice. */
  private record Setting(UpdateRule rule, double rate, int steps) {
    Schedule schedule() {
      return Schedules.cosine(rate, steps);
    }
  }

  private static final List<Setting> PARABOLA =
      List.of(
          new Setting(Sgd.sgd(), 0.15, 2000),
          new Setting(Momentum.heavyBall(0.9), 0.02, 2000),
          new Setting(Momentum.nesterov(0.9), 0.02, 2000),
          new Setting(RmsProp.rmsProp(), 0.01, 4000),
          new Setting(RmsProp.rmsProp().centered(true).momentum(0.5), 0.01, 4000),
          new Setting(Adam.adam(), 0.1, 4000),
          new Setting(Adam.adam().amsgrad(true), 0.1, 4000),
          new Setting(Adam.adamW().weightDecay(0), 0.1, 4000));

  private static final List<Setting> ROSENBROCK =
      List.of(
          new Setting(Sgd.sgd(), 1.5e-3, 60_000),
          new Setting(Momentum.heavyBall(0.95), 3e-4, 30_000),
          new Setting(Momentum.nesterov(0.95), 3e-4, 30_000),
          new Setting(RmsProp.rmsProp(), 3e-3, 30_000),
          new Setting(RmsProp.rmsProp().centered(true).momentum(0.5), 1e-3, 30_000),
          new Setting(Adam.adam(), 0.02, 20_000),
          new Setting(Adam.adam().amsgrad(true), 0.02, 20_000),
          new Setting(Adam.adamW().weightDecay(0), 0.02, 20_000));

  static Stream<Arguments> parabolas() {
    return settings(PARABOLA);
  }

  /** Elsewhere than on the processor, whose bits they have, with the last setting alone. */
  static Stream<Arguments> valleys() {
    Setting last = ROSENBROCK.get(ROSENBROCK.size() - 1);
    return settings(ROSENBROCK)
        .filter(
            one -> {
              Object[] both = one.get();
              return RuleMatrix.IS_FULL
                  || ((ContractBackend) both[0]).takesArrays()
                  || both[1].equals(last);
            });
  }

  private static Stream<Arguments> settings(List<Setting> settings) {
    return ContractBackend.representatives().stream()
        .filter(ContractBackend::hasFloat64)
        .flatMap(backend -> settings.stream().map(setting -> Arguments.of(backend, setting)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("parabolas")
  void parabola(ContractBackend backend, Setting setting) {
    // f = (x - 3)^2 + 5 (y + 2)^2
    UnaryOperator<double[]> gradient = p -> new double[] {2 * (p[0] - 3), 10 * (p[1] + 2)};
    assertReaches(backend, setting, gradient, new double[] {-4, 5}, new double[] {3, -2}, 1e-4);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("valleys")
  void rosenbrock(ContractBackend backend, Setting setting) {
    // f = (1 - x)^2 + 100 (y - x^2)^2
    UnaryOperator<double[]> gradient =
        p -> {
          double off = p[1] - p[0] * p[0];
          return new double[] {-2 * (1 - p[0]) - 400 * p[0] * off, 200 * off};
        };
    assertReaches(backend, setting, gradient, new double[] {-1.2, 1}, new double[] {1, 1}, 1e-3);
  }

  private static void assertReaches(
      ContractBackend backend,
      Setting setting,
      UnaryOperator<double[]> gradient,
      double[] start,
      double[] minimum,
      double tolerance) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("p", ElementType.FLOAT64, start.length).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(setting.rule).learningRate(setting.schedule()).build()) {
      Tensor values = parameters.get("p").values();
      Tensor gradients = parameters.get("p").gradients();
      values.copyFrom(start);
      double[] p = start.clone();
      for (int step = 0; step < setting.steps; step++) {
        gradients.copyFrom(gradient.apply(p));
        optimizer.step();
        values.copyTo(p);
      }
      double distance = Math.hypot(p[0] - minimum[0], p[1] - minimum[1]);
      assertTrue(distance <= tolerance, "ends " + distance + " from the minimum");
    }
  }
}
