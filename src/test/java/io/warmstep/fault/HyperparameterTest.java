package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Adan;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Rprop;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every hyperparameter of every rule out of its range, and at the ends of it. */
class HyperparameterTest {
  private static final double NAN = Double.NaN;
  private static final double INF = Double.POSITIVE_INFINITY;

  private static Arguments field(
      String rule, String name, DoubleFunction<UpdateRule> with, String range, double... allowed) {
    return Arguments.of(rule, name, with, range, allowed);
  }

  static Stream<Arguments> fields() {
    String from0 = "finite and at least 0";
    String below1 = "in [0, 1)";
    double almost1 = Math.nextDown(1.0);
    return Stream.of(
        field("sgd", "weightDecay", Sgd.sgd()::weightDecay, from0, 0, 1e300),
        field("momentum", "momentum", Momentum::heavyBall, below1, 0, almost1),
        field("momentum", "dampening", Momentum.heavyBall(0.5)::dampening, "in [0, 1]", 0, 1),
        field("momentum", "weightDecay", Momentum.nesterov(0.5)::weightDecay, from0, 0, 1e300),
        field("rmsprop", "alpha", RmsProp.rmsProp()::alpha, below1, 0, almost1),
        field("rmsprop", "eps", RmsProp.rmsProp()::eps, from0, 0, 1e300),
        field("rmsprop", "momentum", RmsProp.rmsProp()::momentum, below1, 0, almost1),
        field("rmsprop", "weightDecay", RmsProp.rmsProp()::weightDecay, from0, 0, 1e300),
        field("adam", "beta1", beta -> Adam.adam().betas(beta, 0.9), below1, 0, almost1),
        field("adam", "beta2", beta -> Adam.adam().betas(0.9, beta), below1, 0, almost1),
        field("adam", "eps", Adam.adam()::eps, from0, 0, 1e300),
        field("adam", "weightDecay", Adam.adam()::weightDecay, from0, 0, 1e300),
        field("adam", "weightDecay", Adam.adamW()::weightDecay, from0, 0, 1e300),
        field("adan", "maxGradNorm", Adan.adan()::maxGradNorm, from0, 0, 1e300));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("fields")
  void outOfRangeIsRefusedByName(
      String rule, String name, DoubleFunction<UpdateRule> with, String range, double[] allowed) {
    DoubleStream bad = DoubleStream.of(-1, -Double.MIN_VALUE, NAN, INF, -INF);
    if (allowed[allowed.length - 1] <= 1) {
      bad = DoubleStream.concat(bad, DoubleStream.of(Math.nextUp(1.0), 2));
    }
    if (allowed[allowed.length - 1] < 1) {
      bad = DoubleStream.concat(bad, DoubleStream.of(1));
    }
    bad.forEach(
        value -> {
          IllegalArgumentException e =
              assertThrows(IllegalArgumentException.class, () -> with.apply(value));
          String start = rule + ": " + name + " is " + value + ", must be " + range + ": pass ";
          assertTrue(e.getMessage().startsWith(start), e.getMessage());
        });
    for (double value : allowed) {
      assertEquals(rule, with.apply(value).name());
    }
  }

  static Stream<Arguments> ends() {
    double almost1 = Math.nextDown(1.0);
    DoubleFunction<UpdateRule> warmup =
        n -> ScheduleFreeSgd.scheduleFreeSgd().warmupSteps((long) n);
    return Stream.of(
        ends("momentum", ScheduleFreeSgd.scheduleFreeSgd()::momentum, "0 1", "4.9e-324 " + almost1),
        ends("warmupSteps", warmup, "-1", "0"),
        ends("d0", Prodigy.prodigy()::d0, "0 Infinity", "4.9e-324 1.7976931348623157e308"),
        ends(
            "newtonSchulz",
            a -> Muon.muon().newtonSchulz(a, 1, 1, 5),
            "3.402823466385289e38 -3.402823466385289e38 1e-50",
            "3.4028234663852886e38 -3.4028234663852886e38 0"));
  }

  private static Arguments ends(
      String name, DoubleFunction<UpdateRule> with, String refused, String allowed) {
    return Arguments.of(name, with, refused, allowed);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("ends")
  void endsOfRangesAreRefusedOrNot(
      String name, DoubleFunction<UpdateRule> with, String refused, String allowed) {
    for (String value : refused.split(" ", -1)) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> with.apply(Double.parseDouble(value)), value);
      assertTrue(e.getMessage().contains(", must be "), name + ": " + e.getMessage());
    }
    for (String value : allowed.split(" ", -1)) {
      assertNotNull(with.apply(Double.parseDouble(value)), value);
    }
  }

  @Test
  void nesterovNeedsMomentumWithoutDampening() {
    IllegalArgumentException zero =
        assertThrows(IllegalArgumentException.class, () -> Momentum.nesterov(0));
    assertEquals(
        "momentum: momentum is 0.0, must be above 0 with nesterov: pass one such as 0.9, or use"
            + " Sgd.sgd()",
        zero.getMessage());
    IllegalArgumentException dampened =
        assertThrows(IllegalArgumentException.class, () -> Momentum.nesterov(0.9).dampening(0.1));
    assertEquals(
        "momentum: dampening is 0.1, must be 0 with nesterov: leave it out, or use"
            + " Momentum.heavyBall(momentum)",
        dampened.getMessage());
  }

  @Test
  void cautionIsForDecoupledWeightDecay() {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Adam.adam().caution(true));
    assertEquals(
        "adam: caution is true, must be false with weight decay in the gradient, whose sign it"
            + " compares: use Adam.adamW()",
        e.getMessage());
  }

  @Test
  void rpropHasNoWeightDecay() {
    assertEquals(Rprop.rprop(), Rprop.rprop().weightDecay(0));
    String expected =
        "rprop: weightDecay is 0.1, must be 0, since of a gradient only the sign counts, which decay"
            + " would keep or turn around: leave it out, or choose a rule such as Adam.adamW()";
    assertEquals(
        expected,
        assertThrows(IllegalArgumentException.class, () -> Rprop.rprop().weightDecay(0.1))
            .getMessage());
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, 2}).build()) {
      OptimizerBuilder ofGroup =
          Optimizer.of(parameters)
              .rule(Rprop.rprop())
              .learningRate(0.1)
              .group(ParameterGroup.matching("w").weightDecay(0.1));
      assertEquals(
          expected, assertThrows(IllegalArgumentException.class, ofGroup::build).getMessage());
      OptimizerBuilder moving =
          Optimizer.of(parameters)
              .rule(Rprop.rprop())
              .learningRate(0.1)
              .schedule("weightDecay", step -> 0.1);
      String message = assertThrows(IllegalArgumentException.class, moving::build).getMessage();
      assertTrue(
          message.startsWith("a schedule was set for \"weightDecay\", which none can move under ")
              && message.endsWith(": schedule the learning rate alone"),
          message);
    }
  }

  @Test
  void theListOfRulesNamesEachOnce() {
    List<String> names = Rules.all().stream().map(UpdateRule::name).toList();
    assertEquals(names.stream().distinct().toList(), names);
  }

  /** What a rule has no business to allow, for those that have no line above as well. */
  static Stream<Arguments> settings() {
    return Rules.all().stream()
        .flatMap(
            rule ->
                RuleSettings.values(rule).entrySet().stream()
                    .filter(setting -> setting.getValue() instanceof Double)
                    .map(setting -> Arguments.of(rule, setting.getKey())));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("settings")
  void noNumberOfAnyRuleIsNegativeOrNotFinite(UpdateRule rule, String name) {
    for (double value : new double[] {-1, -Double.MIN_VALUE, NAN, INF, -INF}) {
      if (value == -1 && name.startsWith("nsCoefficient")) {
        continue; // factors of a polynomial, of either sign
      }
      if (value < 0 && value >= -1 && name.equals("beta2Decay")) {
        continue; // a power of the step that is to fall
      }
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> RuleSettings.with(rule, Map.of(name, value)));
      assertTrue(
          e.getMessage().startsWith(rule.name() + ": " + name + " is " + value + ", must be "),
          e.getMessage());
    }
  }
}
