package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What must hold whatever the numbers are; a failure names the seed of its numbers. */
class InvarianceTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int LENGTH = 333;
  private static final int REPEATS = 5;
  private static final int STEPS = 4;

  /** Numbers of one seed. */
  private record Draw(long seed, double rate, double[] values, double[][] gradients) {
    Draw(long seed) {
      this(seed, new SplittableRandom(seed));
    }

    private Draw(long seed, SplittableRandom random) {
      this(
          seed,
          Math.pow(10, random.nextDouble(-4, -0.5)),
          Numbers.ordinary(random, ElementType.FLOAT32, LENGTH),
          new double[STEPS][]);
      Arrays.setAll(gradients, step -> Numbers.ordinary(random, ElementType.FLOAT32, LENGTH));
    }

    Draw withGradientsTimes(double factor) {
      double[][] scaled = new double[STEPS][];
      Arrays.setAll(scaled, step -> Arrays.stream(gradients[step]).map(g -> g * factor).toArray());
      return new Draw(seed, rate, values, scaled);
    }

    Draw withValuesTimes(double factor) {
      return new Draw(seed, rate, Arrays.stream(values).map(v -> v * factor).toArray(), gradients);
    }
  }

  private static void forSeeds(Consumer<Draw> property) {
    for (int i = 0; i < REPEATS; i++) {
      property.accept(new Draw(0x5eed + i));
    }
  }

  private static double[] run(ContractBackend backend, UpdateRule rule, Draw draw) {
    return run(backend, rule, draw, ElementType.FLOAT32, builder -> {});
  }

  private static double[] run(
      ContractBackend backend,
      UpdateRule rule,
      Draw draw,
      ElementType type,
      Consumer<OptimizerBuilder> options) {
    Device device = backend.shared();
    try (Parameters parameters =
        Shapes.give(Parameters.on(device).add("p", type, LENGTH), "p", LENGTH).build()) {
      parameters.get("p").values().copyFrom(draw.values);
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(draw.rate);
      options.accept(builder);
      try (Optimizer optimizer = builder.build()) {
        for (double[] gradients : draw.gradients) {
          parameters.get("p").gradients().copyFrom(gradients);
          optimizer.step();
        }
      }
      return parameters.get("p").values().toDoubles();
    }
  }

  private static double[] times(double[] values, double factor) {
    return Arrays.stream(values).map(v -> v * factor).toArray();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void momentumOfZeroIsSgd(ContractBackend backend) {
    forSeeds(
        draw ->
            Bits.assertSame(
                run(backend, Sgd.sgd().weightDecay(0.1), draw),
                run(backend, Momentum.heavyBall(0).weightDecay(0.1), draw),
                () -> "seed " + draw.seed));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void adamWithoutWeightDecayIsAdamW(ContractBackend backend) {
    forSeeds(
        draw ->
            Bits.assertSame(
                run(backend, Adam.adam(), draw),
                run(backend, Adam.adamW().weightDecay(0), draw),
                () -> "seed " + draw.seed));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void zeroGradientsWithoutWeightDecayMoveNothing(ContractBackend backend) {
    for (UpdateRule rule : RuleMatrix.all()) {
      UpdateRule plain = rule.weightDecay(0);
      UpdateRule undecayed =
          RuleSettings.has(plain, "lambd") // ASGD decays by it too
              ? RuleSettings.with(plain, Map.of("lambd", 0.0))
              : plain;
      Draw draw = new Draw(1).withGradientsTimes(0);
      Bits.assertSame(
          draw.values, run(backend, undecayed, draw), () -> undecayed + ", seed " + draw.seed);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aRateOfZeroMovesNothing(ContractBackend backend) {
    Draw drawn = new Draw(2);
    Draw draw = new Draw(drawn.seed, 0, drawn.values, drawn.gradients);
    for (UpdateRule rule : RuleMatrix.all()) {
      Bits.assertSame(draw.values, run(backend, rule, draw), () -> rule + ", seed " + draw.seed);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void maximizingIsMinimizingTheNegative(ContractBackend backend) {
    forSeeds(
        draw ->
            Bits.assertSame(
                run(backend, Adam.adam().amsgrad(true).weightDecay(0.2), draw),
                run(
                    backend,
                    Adam.adam().amsgrad(true).weightDecay(0.2).maximize(true),
                    draw.withGradientsTimes(-1)),
                () -> "seed " + draw.seed));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void everyRuleIsOdd(ContractBackend backend) {
    for (UpdateRule rule : RuleMatrix.all()) {
      forSeeds(
          draw ->
              assertEqualNumbers(
                  times(run(backend, rule, draw), -1),
                  run(backend, rule, draw.withValuesTimes(-1).withGradientsTimes(-1)),
                  rule + ", seed " + draw.seed));
    }
  }

  /** With zeros of either sign. */
  private static void assertEqualNumbers(double[] expected, double[] actual, String what) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], 0.0, what);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void sgdIsLinearInPowersOfTwo(ContractBackend backend) {
    for (UpdateRule rule : RuleMatrix.rich().subList(0, 2)) {
      forSeeds(
          draw ->
              Bits.assertSame(
                  times(run(backend, rule, draw), 0.25),
                  run(backend, rule, draw.withValuesTimes(0.25).withGradientsTimes(0.25)),
                  () -> rule + ", seed " + draw.seed));
    }
  }

  /** Without eps, the scale of gradients cancels: exactly, for a power of four. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void adamAndRmsPropWithoutEpsIgnoreTheGradientsScale(ContractBackend backend) {
    for (UpdateRule rule :
        new UpdateRule[] {
          Adam.adam().eps(0), Adam.adam().eps(0).amsgrad(true), RmsProp.rmsProp().eps(0)
        }) {
      forSeeds(
          draw ->
              Bits.assertSame(
                  run(backend, rule, draw),
                  run(backend, rule, draw.withGradientsTimes(0x1p10)),
                  () -> rule + ", seed " + draw.seed));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void clippingNeverMovesFurtherThanItsBound(ContractBackend backend) {
    forSeeds(
        drawn -> {
          double bound = 0.5;
          Draw draw =
              new Draw(drawn.seed, 1, new double[LENGTH], new double[][] {drawn.gradients[0]});
          double[] moved =
              run(backend, Sgd.sgd(), draw, ElementType.FLOAT32, b -> b.clipNorm(bound));
          double norm = Math.sqrt(Arrays.stream(moved).map(x -> x * x).sum());
          double raw = Math.sqrt(Arrays.stream(draw.gradients[0]).map(x -> x * x).sum());
          assertTrue(norm <= bound * (1 + 1e-6), "seed " + draw.seed + ": moved by " + norm);
          assertTrue(norm <= raw * (1 + 1e-6), "seed " + draw.seed + ": " + raw + " to " + norm);
          double[] element =
              run(backend, Sgd.sgd(), draw, ElementType.FLOAT32, b -> b.clipValue(0.125));
          assertTrue(
              Arrays.stream(element).allMatch(x -> Math.abs(x) <= 0.125), "seed " + draw.seed);
        });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aBoundAboveTheNormChangesNothing(ContractBackend backend) {
    forSeeds(
        draw ->
            Bits.assertSame(
                run(backend, Adam.adam(), draw),
                run(
                    backend,
                    Adam.adam(),
                    draw,
                    ElementType.FLOAT32,
                    b -> b.clipNorm(1e6).clipValue(1e6)),
                () -> "seed " + draw.seed));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aFirstStepOfAdamIsTheRateInEveryDirection(ContractBackend backend) {
    forSeeds(
        drawn -> {
          Draw draw =
              new Draw(drawn.seed, 0.25, new double[LENGTH], new double[][] {drawn.gradients[0]});
          double[] moved = run(backend, Adam.adam().eps(1e-12), draw);
          for (int i = 0; i < LENGTH; i++) {
            double g = draw.gradients[0][i];
            assertEquals(-0.25 * Math.signum(g), moved[i], 1e-6, "seed " + draw.seed);
          }
        });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void theFirstStepOfMomentumIsNotDampened(ContractBackend backend) {
    forSeeds(
        drawn -> {
          Draw draw =
              new Draw(drawn.seed, drawn.rate, drawn.values, new double[][] {drawn.gradients[0]});
          Bits.assertSame(
              run(backend, Sgd.sgd(), draw),
              run(backend, Momentum.heavyBall(0.9).dampening(0.75), draw),
              () -> "seed " + draw.seed);
        });
  }
}
