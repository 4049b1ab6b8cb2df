package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.RangeTest.Outcome;
import io.warmstep.schedule.RangeTest.Result;
import java.util.Arrays;
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
      String message = "run " + run + ": " + result.reason() + ", edge " + edge;
      assertEquals(Outcome.FOUND, result.outcome(), message);
      assertEquals(1, result.edge().getAsDouble() / edge, 0.2, message);
      assertTrue(result.suggested().getAsDouble() < edge, message);
      assertTrue(result.peak().getAsDouble() < edge, message);
      assertTrue(result.high().isEmpty() || result.high().getAsDouble() < edge, message);
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
      String message = result.toString();
      assertEquals(Outcome.FOUND, result.outcome(), message);
      for (OptionalDouble rate :
          List.of(result.valley(), result.slide(), result.steepest(), result.minimumOverTen())) {
        assertTrue(rate.getAsDouble() > 5e-5 && rate.getAsDouble() < 0.03, message);
      }
      double edge = result.edge().getAsDouble();
      assertTrue(edge > 0.03 && edge < 0.6, message);
      assertTrue(result.low().getAsDouble() < result.valley().getAsDouble(), message);
      assertTrue(result.valley().getAsDouble() < result.high().getAsDouble(), message);
      assertTrue(result.high().getAsDouble() <= edge / 2, message);
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
    assertTrue(result.peak().isEmpty());
    assertTrue(result.toString().startsWith("Result[outcome=flat, reason="), result.toString());
    assertEquals(rise == 1, result.edge().isPresent(), result.reason());
    assertEquals(rise == 1, result.reason().endsWith(", before it diverged"), result.reason());
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

  /** Losses that are not smoothed, at rates that are the numbers of the steps. */
  private static Result plain(double... losses) {
    RangeTest test = RangeTest.linear(1, losses.length, losses.length).smoothing(0);
    return of(test, step -> losses[step - 1]);
  }

  /** A curve of stretches: each loss as often as the number after it says. */
  private static double[] stretches(double... lossesAndLengths) {
    double[] curve = {};
    for (int i = 0; i < lossesAndLengths.length; i += 2) {
      int begin = curve.length;
      curve = Arrays.copyOf(curve, begin + (int) lossesAndLengths[i + 1]);
      Arrays.fill(curve, begin, curve.length, lossesAndLengths[i]);
    }
    return curve;
  }

  /** The least of each is the second smoothed loss, two thirds of the fall below the first. */
  @ParameterizedTest
  @CsvSource({"4.68, FLAT", "4.70, FOUND"})
  void aFallCountsFromFourDeviationsOfTheSmoothedLossOn(double fall, Outcome outcome) {
    RangeTest test = RangeTest.exponential(1e-4, 1, 39).smoothing(0.5);
    // The deviation of one loss is 1 / (0.6745 * sqrt(2)), that of the average of the first two
    // sqrt(1 / 9 + 4 / 9) of it: four of these are 3.126, two thirds of 4.689.
    Result result = of(test, step -> step == 2 ? 100 - fall : 100 + (step + 1) % 2);
    assertEquals(outcome, result.outcome(), result.reason());
  }

  @Test
  void aFallOfAFiftiethIsFlat() {
    assertEquals(Outcome.FLAT, plain(stretches(100, 10, 98, 20)).outcome());
    assertEquals(Outcome.NEVER_DIVERGED, plain(stretches(100, 10, 97.9, 20)).outcome());
  }

  @Test
  void aLossThatRisesByMoreThanHalfOfItsFallHasAnEdge() {
    assertEquals(Outcome.NEVER_DIVERGED, plain(stretches(100, 8, 60, 8, 80, 8)).outcome());
    assertEquals(Outcome.FOUND, plain(stretches(100, 8, 60, 8, 81, 8)).outcome());
  }

  @Test
  void aLossOfZeroHasItsEdgeWhereItIsLeast() {
    Result result = plain(stretches(100, 20, 0, 1, 60, 1));
    assertEquals(Outcome.FOUND, result.outcome(), result.reason());
    assertEquals(21, result.edge().getAsDouble(), 1e-9);
  }

  @Test
  void aFallInOneStepHasNoBand() {
    Result result = plain(stretches(100, 10, 60, 20));
    assertEquals(11, result.valley().getAsDouble(), 1e-9);
    assertEquals(1.1, result.minimumOverTen().getAsDouble(), 1e-15);
    assertTrue(result.low().isEmpty() && result.high().isEmpty(), result.toString());
    assertEquals(result.valley(), result.peak());
  }

  @Test
  void theBandBeginsAfterATenthOfTheFallAndEndsNearItsEnd() {
    Result result = plain(stretches(100, 10, 96, 1, 80, 1, 62, 1, 60, 17));
    assertEquals(11, result.low().getAsDouble(), 1e-9);
    assertEquals(13, result.high().getAsDouble(), 1e-9);
    assertEquals(12, result.valley().getAsDouble(), 1e-9);
  }

  @Test
  void theValleyIsTheMiddleOfTheLongestStrictFall() {
    assertEquals(8, plain(stretches(100, 5, 96, 3, 60, 20)).valley().getAsDouble(), 1e-9);
    assertEquals(7, plain(stretches(100, 5, 80, 1, 70, 1, 60, 20)).valley().getAsDouble(), 1e-9);
  }

  /** The slope is that of two steps before and two after, of 80 in all. */
  @Test
  void theSteepestIsTheFirstOfTheGreatestSlopes() {
    double[] curve = new double[80];
    for (int i = 0; i < curve.length; i++) {
      curve[i] = i < 20 ? 100 : i < 30 ? 100 - (i - 19) : Math.max(40, 90 - 5 * (i - 29));
    }
    Result result = plain(curve);
    assertEquals(32, result.steepest().getAsDouble(), 1e-9);
    assertEquals(40, result.minimumOverTen().getAsDouble() * 10, 1e-12);
    for (int i = 0; i < curve.length; i++) {
      curve[i] = 6400 - i * i;
    }
    assertEquals(80, plain(curve).steepest().getAsDouble(), 1e-9, "up to the end");
  }

  /** Losses that grow by (2 * rate - 1)^2, which is by curvature 2, above what does not grow. */
  @Test
  void theEdgeComesFromTheWholeRise() {
    double[] rates = new double[40];
    double[] losses = new double[rates.length];
    double grown = 1e-3;
    for (int i = 0; i < rates.length; i++) {
      rates[i] = 0.1 * Math.pow(1.1, i);
      losses[i] = i < 20 ? 1 + 10 * Math.exp(-i) : grown + 1;
      grown *= i < 20 ? 1 : Math.pow(2 * rates[i] - 1, 2);
    }
    losses[38] *= 1.3;
    assertEquals(1, new RisingLoss(rates, losses).edge(), 0.02);
  }

  @Test
  void aRiseToFourTimesTheLeastIsNoDivergenceYetNorOneToATenthOfTheFirst() {
    RangeTest test = RangeTest.linear(1, 10, 10).smoothing(0);
    assertTrue(test.report(1) && test.report(4));
    assertEquals(2, test.reports());
    assertFalse(test.report(4.1));
    assertTrue(test.isDiverged());
    RangeTest high = RangeTest.linear(1, 10, 10).smoothing(0);
    assertTrue(high.report(50) && high.report(1) && high.report(6));
    assertFalse(high.report(6.1));
    assertTrue(high.isDiverged());
  }

  @Test
  void boundsThemselvesAreAccepted() {
    assertEquals(Double.MAX_VALUE, RangeTest.linear(0, Double.MAX_VALUE, 2).rate(2));
    assertEquals(1, RangeTest.exponential(0.5, 1, 100_000).rate(100_000));
  }

  @Test
  void outcomesAreInWords() {
    assertEquals("never diverged", Outcome.NEVER_DIVERGED.toString());
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
    refused("steps is 1", () -> RangeTest.exponential(1, 2, 1));
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
