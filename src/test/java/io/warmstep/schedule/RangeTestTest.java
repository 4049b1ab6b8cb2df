package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.RangeTest.Outcome;
import io.warmstep.schedule.RangeTest.Result;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RangeTestTest {
  /** A test on a sum of squares under SGD with momentum, in double. */
  private static Result quadratic(
      RangeTest test, double[] curvatures, double momentum, double noise, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] x = new double[curvatures.length];
    double[] velocity = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      x[i] = random.nextDouble() + 0.5;
    }
    double loss;
    int step = 0;
    do {
      loss = 0;
      for (int i = 0; i < x.length; i++) {
        loss += curvatures[i] * x[i] * x[i] / 2;
      }
      loss *= 1 + noise * (2 * random.nextDouble() - 1);
      double rate = test.rate(++step);
      for (int i = 0; i < x.length; i++) {
        double gradient = curvatures[i] * x[i] + noise * (2 * random.nextDouble() - 1);
        velocity[i] = momentum * velocity[i] + gradient;
        x[i] -= rate * velocity[i];
      }
    } while (test.report(loss));
    return test.result();
  }

  private static Result of(RangeTest test, IntToDoubleFunction losses) {
    for (int step = 1; test.report(losses.applyAsDouble(step)); step++) {}
    return test.result();
  }

  private static RangeTest usual() {
    return RangeTest.exponential(1e-7, 10, 200);
  }

  @Test
  void ratesGoFromTheLowestToTheHighest() {
    RangeTest test = RangeTest.exponential(1e-6, 1, 7);
    for (int step = 1; step <= 7; step++) {
      double expected = Math.pow(10, step - 7);
      assertEquals(expected, test.rate(step), 1e-12 * expected);
    }
    assertEquals(1e-6, test.rate(1));
    assertEquals(1, test.rate(7));
    assertEquals(1, test.rate(1000));
    RangeTest linear = RangeTest.linear(0, 2, 5);
    for (int step = 1; step <= 5; step++) {
      assertEquals((step - 1) / 2.0, linear.rate(step), 1e-15);
    }
    assertThrows(IllegalArgumentException.class, () -> test.rate(0));
  }

  @Test
  void lossesAreSmoothedWithoutBias() {
    RangeTest test = RangeTest.linear(0, 1, 3).smoothing(0.5);
    Result result = of(test, step -> new double[] {8, 4, 2}[step - 1]);
    // 0.5 * 8 / 0.5; (0.25 * 8 + 0.5 * 4) / 0.75; (0.125 * 8 + 0.25 * 4 + 0.5 * 2) / 0.875
    double[] smoothed = result.curve().stream().mapToDouble(RangeTest.Point::smoothed).toArray();
    assertEquals(8, smoothed[0], 1e-15);
    assertEquals(4 / 0.75, smoothed[1], 1e-15);
    assertEquals(3 / 0.875, smoothed[2], 1e-15);
    assertEquals(List.of(0.0, 0.5, 1.0), result.curve().stream().map(p -> p.rate()).toList());
    assertEquals(4, result.curve().get(1).loss());
  }

  /** However late the growth shows: rates below 2 / curvature shrink what grows above it. */
  @ParameterizedTest
  @ValueSource(ints = {100, 200, 400, 1000})
  void onQuadraticsTheEdgeIsTwoOverTheCurvature(int steps) {
    SplittableRandom random = new SplittableRandom(steps);
    for (int run = 0; run < 100; run++) {
      double greatest = Math.exp(8 * random.nextDouble() - 4);
      double[] curvatures = new double[1 + random.nextInt(10)];
      for (int i = 0; i < curvatures.length; i++) {
        curvatures[i] = i == 0 ? greatest : greatest * Math.exp(-6 * random.nextDouble());
      }
      double edge = 2 / greatest;
      double from = edge * Math.exp(-6 - 8 * random.nextDouble());
      double to = edge * Math.exp(4 + 4 * random.nextDouble());
      Result result =
          quadratic(RangeTest.exponential(from, to, steps), curvatures, 0, 0, random.nextLong());
      String told = "run " + run + ": " + result.reason() + ", edge " + edge;
      assertEquals(Outcome.FOUND, result.outcome(), told);
      assertEquals(1, result.edge().getAsDouble() / edge, 0.2, told);
      assertTrue(result.suggested().getAsDouble() < edge, told);
      assertTrue(result.peak().getAsDouble() < edge, told);
      assertTrue(result.high().isEmpty() || result.high().getAsDouble() < edge, told);
    }
  }

  /** Under heavy-ball momentum of 0.9 the edge is 3.8 / curvature; to be too low is safe. */
  @Test
  void underMomentumTheEdgeIsSomewhatTooLow() {
    for (long seed = 0; seed < 20; seed++) {
      Result result =
          quadratic(RangeTest.exponential(1e-6, 100, 300), new double[] {1, 0.1}, 0.9, 0, seed);
      double ratio = result.edge().getAsDouble() / 3.8;
      assertTrue(ratio > 0.66 && ratio < 1.05, ratio + ": " + result.reason());
    }
  }

  @Test
  void noiseDoesNotMoveTheEdgeFar() {
    for (long seed = 0; seed < 50; seed++) {
      Result result =
          quadratic(
              RangeTest.exponential(1e-6, 100, 300), new double[] {2, 1, 0.3, 0.1}, 0, 0.2, seed);
      assertEquals(Outcome.FOUND, result.outcome(), result.reason());
      assertEquals(1, result.edge().getAsDouble(), 0.25, result.reason());
    }
  }

  /** A curve as networks have them: flat, falling from 1e-4 on, least at 1e-2, rising from 0.1. */
  private static double typical(double rate, double noise) {
    double fall = 1.8 / (1 + Math.pow(rate / 1e-3, -1.5));
    return 2.3 - fall + Math.pow(rate / 0.1, 2) + noise;
  }

  @Test
  void theUsualSuggestionsLieWhereTheCurveFalls() {
    for (long seed = 0; seed < 20; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      RangeTest test = usual();
      Result result = of(test, step -> typical(test.rate(step), 0.2 * (random.nextDouble() - 0.5)));
      String told = result.toString();
      assertEquals(Outcome.FOUND, result.outcome(), told);
      for (OptionalDouble rate :
          List.of(result.valley(), result.slide(), result.steepest(), result.minimumOverTen())) {
        assertTrue(rate.getAsDouble() > 5e-5 && rate.getAsDouble() < 0.03, told);
      }
      double edge = result.edge().getAsDouble();
      assertTrue(edge > 0.03 && edge < 0.6, told);
      assertTrue(result.low().getAsDouble() < result.valley().getAsDouble(), told);
      assertTrue(result.valley().getAsDouble() < result.high().getAsDouble(), told);
      assertTrue(result.high().getAsDouble() <= edge / 2, told);
      assertEquals(
          Math.min(
              result.high().getAsDouble(),
              Math.max(result.valley().getAsDouble(), result.high().getAsDouble() / 2)),
          result.peak().getAsDouble());
      assertEquals(result.valley(), result.suggested());
      assertTrue(test.isDiverged() && test.isDone());
      assertTrue(result.curve().size() < 200, "it stops when the loss has diverged");
    }
  }

  @ParameterizedTest
  @CsvSource({"0", "0.05"})
  void aCurveThatNeverDivergesHasNoEdge(double noise) {
    SplittableRandom random = new SplittableRandom(1);
    RangeTest test = usual();
    Result result =
        of(
            test,
            step -> 0.5 + 1.8 / (1 + test.rate(step) / 1e-2) + noise * (random.nextDouble() - 0.5));
    assertEquals(Outcome.NEVER_DIVERGED, result.outcome(), result.reason());
    assertTrue(result.reason().contains("did not diverge up to 10"), result.reason());
    assertTrue(result.edge().isEmpty());
    assertTrue(result.suggested().isPresent());
    assertTrue(test.isDone() && !test.isDiverged());
  }

  /** As where the classes can be separated: a higher rate always has a lower loss. */
  @Test
  void whereTheLossFallsForEverThePeakIsWhereLittleIsLeft() {
    RangeTest test = usual();
    Result result = of(test, step -> 2.3 / (1 + Math.pow(test.rate(step) / 1e-3, 2)));
    assertEquals(Outcome.NEVER_DIVERGED, result.outcome(), result.reason());
    double rate = result.peak().getAsDouble();
    assertTrue(rate > 1e-3 && rate < 5e-2, "suggests " + rate);
    assertTrue(rate <= result.high().getAsDouble());
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "0.3, 0", "0, 1", "0.3, 1"})
  void aFlatCurveGivesNoSuggestion(double noise, int rise) {
    SplittableRandom random = new SplittableRandom(2);
    RangeTest test = usual();
    Result result =
        of(
            test,
            step ->
                2.3 + noise * (random.nextDouble() - 0.5) + rise * Math.pow(test.rate(step), 2));
    assertEquals(Outcome.FLAT, result.outcome(), result.reason());
    assertTrue(result.suggested().isEmpty() && result.slide().isEmpty());
    assertTrue(result.steepest().isEmpty() && result.minimumOverTen().isEmpty());
    assertTrue(result.low().isEmpty() && result.high().isEmpty());
    assertEquals(rise == 1, result.edge().isPresent(), result.reason());
  }

  @ParameterizedTest
  @CsvSource({"NaN", "Infinity", "-Infinity"})
  void aLossThatIsNotFiniteEndsTheTest(double loss) {
    RangeTest test = usual();
    assertFalse(test.report(loss));
    assertEquals(Outcome.NOT_FINITE, test.result().outcome());
    assertTrue(test.result().reason().contains("the first loss is " + loss));
    assertTrue(test.result().suggested().isEmpty());

    RangeTest later = usual();
    Result result = of(later, step -> step < 150 ? typical(later.rate(step), 0) : loss);
    assertEquals(Outcome.FOUND, result.outcome(), result.reason());
    assertEquals(150, result.curve().size());
    assertTrue(result.edge().getAsDouble() > 0.03, result.reason());
    assertTrue(result.edge().getAsDouble() < later.rate(150), result.reason());
  }

  @Test
  void tooFewStepsAreSaidAndNotJudged() {
    RangeTest empty = usual();
    assertEquals(Outcome.TOO_FEW_STEPS, empty.result().outcome());
    Result few = of(RangeTest.exponential(1e-5, 1, RangeTest.MIN_STEPS - 1), step -> 1.0 / step);
    assertEquals(Outcome.TOO_FEW_STEPS, few.outcome());
    assertTrue(few.reason().contains("only 19 losses"), few.reason());
    assertTrue(few.suggested().isEmpty() && few.edge().isEmpty());
    Result early = of(usual(), step -> Math.pow(3, step));
    assertEquals(Outcome.TOO_FEW_STEPS, early.outcome());
    assertTrue(early.reason().contains("begin with a lower rate"), early.reason());
    Result enough = of(RangeTest.exponential(1e-5, 1, RangeTest.MIN_STEPS), step -> 1.0 / step);
    assertEquals(Outcome.NEVER_DIVERGED, enough.outcome());
  }

  /** Losses may be negative, as log densities are. */
  @Test
  void negativeLossesAreMeasuredByTheirRise() {
    RangeTest test = usual();
    Result result = of(test, step -> typical(test.rate(step), 0) - 5);
    assertEquals(Outcome.FOUND, result.outcome(), result.reason());
    assertTrue(result.suggested().getAsDouble() < 0.03, result.reason());
  }

  @Test
  void equalReportsGiveEqualResultsAndAskingChangesNothing() {
    RangeTest first = usual();
    RangeTest second = usual();
    do {
      assertEquals(first.result(), first.result());
      second.report(typical(second.rate(second.reports() + 1), 0));
    } while (first.report(typical(first.rate(first.reports() + 1), 0)));
    assertEquals(first.result(), second.result());
    assertThrows(UnsupportedOperationException.class, () -> first.result().curve().clear());
    IllegalStateException e = assertThrows(IllegalStateException.class, () -> first.report(1));
    assertTrue(e.getMessage().contains("is over after"), e.getMessage());
    assertEquals(0, first.smoothing(0.5).reports(), "a changed copy starts afresh");
    assertTrue(first.toString().contains("exponential, from=1.0E-7, to=10.0, steps=200"));
  }

  @Test
  void badArgumentsAreRefused() {
    double nan = Double.NaN;
    double infinite = Double.POSITIVE_INFINITY;
    refused("from is 0.0", () -> RangeTest.exponential(0, 1, 10));
    refused("from is NaN", () -> RangeTest.exponential(nan, 1, 10));
    refused("from is -1.0", () -> RangeTest.linear(-1, 1, 10));
    refused("to is 1.0", () -> RangeTest.exponential(1, 1, 10));
    refused("to is Infinity", () -> RangeTest.linear(1, infinite, 10));
    refused("to is NaN", () -> RangeTest.linear(1, nan, 10));
    refused("steps is 1", () -> RangeTest.linear(0, 1, 1));
    refused("steps is 100001", () -> RangeTest.linear(0, 1, 100_001));
    for (double smoothing : new double[] {-0.1, 1, nan}) {
      refused("smoothing is " + smoothing, () -> usual().smoothing(smoothing));
    }
  }

  private static void refused(String start, Executable call) {
    Exception e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
  }
}
