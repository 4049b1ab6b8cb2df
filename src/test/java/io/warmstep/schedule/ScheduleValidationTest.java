package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.of;

import io.warmstep.schedule.PlateauSchedule.ThresholdMode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.function.LongFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every argument out of its range is refused, by a message that names it and what it was. */
class ScheduleValidationTest {
  private static final double NAN = Double.NaN;
  private static final double INF = Double.POSITIVE_INFINITY;
  private static final Schedule ONE = Schedules.constant(1);

  /** A user's own, which refuses nothing. */
  private static final Schedule ANY = step -> 1;

  private static final List<Arguments> CASES = new ArrayList<>();

  private static void reals(String name, DoubleFunction<Object> make, double... values) {
    for (double value : values) {
      CASES.add(of(name, String.valueOf(value), (Executable) () -> make.apply(value)));
    }
  }

  private static void counts(String name, LongFunction<Object> make, long... values) {
    for (long value : values) {
      CASES.add(of(name, String.valueOf(value), (Executable) () -> make.apply(value)));
    }
  }

  static Stream<Arguments> cases() {
    CASES.clear();
    double[] notRates = {NAN, INF, -INF, -1e-9};
    double[] notDecays = {NAN, INF, -0.5, 0, 1.01};
    long[] notLengths = {0, -1, Long.MIN_VALUE};

    String rate = "learningRate";
    reals(rate, Schedules::constant, notRates);
    reals(rate, v -> Schedules.constantFactor(v, 1, 1), notRates);
    reals(rate, v -> Schedules.step(v, 1, 1), notRates);
    reals(rate, v -> Schedules.multiStep(v, 1, 1), notRates);
    reals(rate, v -> Schedules.exponential(v, 1), notRates);
    reals(rate, v -> Schedules.linear(v, 1, 1, 1), notRates);
    reals(rate, v -> Schedules.polynomial(v, 1, 1), notRates);
    reals(rate, v -> Schedules.cosine(v, 1), notRates);
    reals(rate, v -> Schedules.cosineWarmRestarts(v, 1, 1, 0), notRates);
    reals(rate, v -> Schedules.inverseSquareRoot(v, 1), notRates);
    reals(rate, v -> Schedules.warmUpStableDecay(v, 1, 1, 1), notRates);
    reals(rate, Schedules::reduceOnPlateau, notRates);
    reals("maxRate", v -> Schedules.oneCycle(v, 2), notRates);

    counts("steps", v -> Schedules.constantFactor(1, 1, v), notLengths);
    counts("stepSize", v -> Schedules.step(1, v, 1), notLengths);
    counts("milestones[0]", v -> Schedules.multiStep(1, 1, v), notLengths);
    counts("milestones[1]", v -> Schedules.multiStep(1, 1, 5, v), 5, 4, 0, -1);
    counts("steps", v -> Schedules.linear(1, 1, 1, v), notLengths);
    counts("totalSteps", v -> Schedules.polynomial(1, v, 1), notLengths);
    counts("totalSteps", v -> Schedules.cosine(1, v), notLengths);
    counts("firstPeriod", v -> Schedules.cosineWarmRestarts(1, v, 1, 0), notLengths);
    counts("multiplier", v -> Schedules.cosineWarmRestarts(1, 1, v, 0), notLengths);
    counts("warmUpSteps", v -> Schedules.inverseSquareRoot(1, v), notLengths);
    counts("warmUpSteps", v -> Schedules.warmUpStableDecay(1, v, 1, 1), -1);
    counts("stableSteps", v -> Schedules.warmUpStableDecay(1, 1, v, 1), -1);
    counts("decaySteps", v -> Schedules.warmUpStableDecay(1, 1, 1, v), notLengths);

    reals("factor", v -> Schedules.constantFactor(1, v, 1), NAN, INF, -1);
    reals("gamma", v -> Schedules.step(1, 1, v), notDecays);
    reals("gamma", v -> Schedules.multiStep(1, v, 1), notDecays);
    reals("gamma", v -> Schedules.exponential(1, v), notDecays);
    reals("gamma", v -> Schedules.expRange(0, 1, 1, 1, v), notDecays);
    reals("startFactor", v -> Schedules.linear(1, v, 1, 1), NAN, INF, -1);
    reals("endFactor", v -> Schedules.linear(1, 1, v, 1), NAN, INF, -1);
    reals("power", v -> Schedules.polynomial(1, 1, v), NAN, INF, -1, 0);
    reals("minimum", v -> Schedules.cosine(1, 1, v), NAN, INF, -1, 1.5);
    reals("minimum", v -> Schedules.cosineWarmRestarts(1, 1, 1, v), NAN, INF, -1, 1.5);
    reals(
        "minimum",
        v -> Schedules.warmUpStableDecay(1, 1, 1, 1, Annealing.LINEAR, v),
        NAN,
        INF,
        -1,
        1.5);

    reals("baseRate", v -> Schedules.triangular(v, 1, 1, 1), notRates);
    reals("maxRate", v -> Schedules.triangular2(0, v, 1, 1), notRates);
    reals("maxRate", v -> Schedules.triangular(0.5, v, 1, 1), 0.4);
    counts("stepsUp", v -> Schedules.triangular(0, 1, v, 1), notLengths);
    counts("stepsDown", v -> Schedules.expRange(0, 1, 1, v, 1), notLengths);
    CASES.add(
        of(
            "stepsUp + stepsDown",
            Long.MAX_VALUE + " + 1",
            (Executable) () -> Schedules.triangular(0, 1, Long.MAX_VALUE, 1)));

    OneCycle oneCycle = Schedules.oneCycle(1, 10);
    counts("totalSteps", v -> Schedules.oneCycle(1, v), 1, 0, -1);
    reals("pctStart", oneCycle::pctStart, NAN, INF, -0.1, 0, 1);
    reals("pctStart", v -> oneCycle.threePhase(true).pctStart(v), NAN, 0, 0.51);
    reals("pctStart", v -> oneCycle.pctStart(v).threePhase(true), 0.51);
    reals("divFactor", oneCycle::divFactor, NAN, INF, 0.9, 0, -1);
    reals("finalDivFactor", oneCycle::finalDivFactor, NAN, INF, 0.9, 0, -1);

    PlateauSchedule plateau = Schedules.reduceOnPlateau(1);
    reals("factor", plateau::factor, NAN, INF, -1, 0, 1);
    counts("patience", plateau::patience, -1);
    reals("threshold", plateau::threshold, NAN, INF, -1, 1);
    reals(
        "threshold", v -> plateau.thresholdMode(ThresholdMode.ABSOLUTE).threshold(v), NAN, INF, -1);
    counts("cooldown", plateau::cooldown, -1);
    reals("rate", v -> new PlateauSchedule.State(v, 1, 0, 0), notRates);
    reals("best", v -> new PlateauSchedule.State(1, v, 0, 0), NAN);
    counts("badReports", v -> new PlateauSchedule.State(1, 1, v, 0), -1, Long.MIN_VALUE);
    counts("cooldownLeft", v -> new PlateauSchedule.State(1, 1, 0, v), -1, Long.MIN_VALUE);
    reals("minimum", plateau::minimum, NAN, INF, -1, 1.5);
    reals("eps", plateau::eps, NAN, INF, -1);

    counts("steps", ONE::warmUp, -1, Long.MIN_VALUE);
    counts("steps", v -> ONE.warmUp(v, WarmUp.cosine()), -1);
    reals("startFactor", WarmUp::linear, NAN, INF, -1, 0, 1.5);
    reals("startFactor", WarmUp::exponential, NAN, INF, -1, 0, 1.5);
    counts("afterSteps", v -> ONE.then(v, ONE), notLengths);
    counts("period", ONE::cycle, notLengths);
    reals("factor", ONE::scaled, NAN, INF, -1);
    reals("beta2", ONE::untunedLinearWarmUp, NAN, INF, -0.1, 1);
    reals("beta2", ONE::untunedExponentialWarmUp, NAN, INF, -0.1, 1);

    for (Schedule schedule : everyKind()) {
      counts("step", schedule::rate, 0, -1, Long.MIN_VALUE);
    }
    return List.copyOf(CASES).stream();
  }

  private static List<Schedule> everyKind() {
    return List.of(
        ONE,
        Schedules.constantFactor(1, 1, 1),
        Schedules.step(1, 1, 1),
        Schedules.multiStep(1, 1, 1),
        Schedules.exponential(1, 1),
        Schedules.linear(1, 1, 1, 1),
        Schedules.polynomial(1, 1, 1),
        Schedules.cosine(1, 1),
        Schedules.cosineWarmRestarts(1, 1, 1, 0),
        Schedules.triangular(0, 1, 1, 1),
        Schedules.oneCycle(1, 2),
        Schedules.inverseSquareRoot(1, 1),
        Schedules.warmUpStableDecay(1, 1, 1, 1),
        Schedules.reduceOnPlateau(1),
        ANY.warmUp(2),
        ANY.then(2, ANY),
        ANY.cycle(2),
        ANY.scaled(2),
        ANY.untunedLinearWarmUp(0.9),
        ANY.untunedExponentialWarmUp(0.9));
  }

  @ParameterizedTest(name = "{index}: {0} = {1}")
  @MethodSource("cases")
  void refused(String argument, String given, Executable call) {
    String message = assertThrows(IllegalArgumentException.class, call).getMessage();
    String start = argument + " is " + given + ", must be ";
    assertTrue(message.startsWith(start), message);
    // What is allowed, then what to do.
    assertTrue(message.substring(start.length()).matches(".+: [a-z].*[^.]"), message);
  }

  @Test
  void messageInFull() {
    Exception e = assertThrows(IllegalArgumentException.class, () -> Schedules.cosine(-1, 10));
    assertEquals(
        "learningRate is -1.0, must be finite and at least 0: pass a learning rate such as 1e-3",
        e.getMessage());
  }

  @Test
  void emptyMilestonesAreRefused() {
    Exception e = assertThrows(IllegalArgumentException.class, () -> Schedules.multiStep(1, 0.5));
    assertEquals(
        "milestones is empty, must be at least one step: for a fixed rate use constant(...)",
        e.getMessage());
  }

  @Test
  void whatIsMissingIsNamed() {
    PlateauSchedule plateau = Schedules.reduceOnPlateau(1);
    missing("milestones", () -> Schedules.multiStep(1, 0.5, (long[]) null));
    missing("shape", () -> ONE.warmUp(1, null));
    missing("next", () -> ONE.then(1, null));
    missing("annealing", () -> Schedules.oneCycle(1, 10).annealing(null));
    missing("shape", () -> Schedules.warmUpStableDecay(1, 1, 1, 1, null, 0));
    missing("mode", () -> plateau.mode(null));
    missing("thresholdMode", () -> plateau.thresholdMode(null));
    missing("state", () -> plateau.restore(null));
  }

  private static void missing(String argument, Executable call) {
    String message = assertThrows(NullPointerException.class, call).getMessage();
    assertTrue(message.startsWith(argument + " is null, must be given: pass "), message);
  }

  @Test
  void valuesAtTheEdgeOfTheirRangeAreTaken() {
    assertEquals(0, Schedules.constant(0).rate(1));
    assertEquals(1, Schedules.exponential(1, 1).rate(9));
    assertEquals(1, Schedules.cosine(1, 1, 1).rate(9));
    assertEquals(1, Schedules.cosine(1, 1).rate(1));
    assertEquals(2, Schedules.triangular(2, 2, 1, 1).rate(2));
    assertEquals(1, ONE.warmUp(1, WarmUp.linear(1)).rate(1));
    assertEquals(0.5, ONE.untunedLinearWarmUp(0).rate(1));
  }
}
