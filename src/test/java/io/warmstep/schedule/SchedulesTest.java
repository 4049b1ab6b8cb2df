package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Values worked out by hand, above all of the schedules that PyTorch does not have. */
class SchedulesTest {
  private static final double EXACT = 1e-15;

  private static double[] rates(Schedule schedule, long... steps) {
    return LongStream.of(steps).mapToDouble(schedule::rate).toArray();
  }

  private static double[] firstRates(Schedule schedule, int count) {
    return rates(schedule, LongStream.rangeClosed(1, count).toArray());
  }

  @Test
  void constantStaysTheSame() {
    assertArrayEquals(
        new double[] {0.3, 0.3, 0.3}, rates(Schedules.constant(0.3), 1, 2, Long.MAX_VALUE));
  }

  @Test
  void multiStepReducesAfterEachMilestone() {
    assertArrayEquals(
        new double[] {8, 4, 4, 2, 2, 1, 1},
        rates(Schedules.multiStep(8, 0.5, 1, 3, 5), 1, 2, 3, 4, 5, 6, Long.MAX_VALUE));
  }

  @Test
  void multiStepIsIndependentOfTheArrayItWasGiven() {
    long[] milestones = {2, 4};
    Schedule schedule = Schedules.multiStep(8, 0.5, milestones);
    milestones[0] = 100;

    assertEquals(4, schedule.rate(3));
    assertEquals(Schedules.multiStep(8, 0.5, 2, 4), schedule);
    assertEquals(Schedules.multiStep(8, 0.5, 2, 4).hashCode(), schedule.hashCode());
    assertNotEquals(Schedules.multiStep(8, 0.5, 2, 5), schedule);
    assertNotEquals(Schedules.multiStep(8, 0.25, 2, 4), schedule);
    assertNotEquals(Schedules.multiStep(4, 0.5, 2, 4), schedule);
  }

  @Test
  void linearMayRise() {
    assertArrayEquals(
        new double[] {1, 2, 3, 4, 5, 5}, firstRates(Schedules.linear(2, 0.5, 2.5, 4), 6), EXACT);
  }

  @Test
  void polynomialOfPowerOneIsALine() {
    assertArrayEquals(
        new double[] {4, 3, 2, 1, 0, 0}, firstRates(Schedules.polynomial(4, 4, 1), 6), EXACT);
  }

  @Test
  void cosineHoldsItsMinimum() {
    assertArrayEquals(
        new double[] {2, 1.5, 1, 1, 1},
        rates(Schedules.cosine(2, 10, 1), 1, 6, 11, 12, 1_000_000),
        EXACT);
  }

  @Test
  void warmRestartsOfConstantAndOfGrowingLength() {
    assertArrayEquals(
        new double[] {4, 2, 4, 2, 4, 2},
        firstRates(Schedules.cosineWarmRestarts(4, 2, 1, 0), 6),
        EXACT);
    // Periods of 2, 6 and 18 steps: restarts at steps 1, 3, 9 and 27.
    assertArrayEquals(
        new double[] {4, 2, 4, 2, 4, 2, 4},
        rates(Schedules.cosineWarmRestarts(4, 2, 3, 0), 1, 2, 3, 6, 9, 18, 27),
        EXACT);
  }

  @Test
  void triangularRisesAndFallsInItsOwnTimes() {
    assertArrayEquals(
        new double[] {1, 3, 5, 4, 3, 2, 1, 3, 5},
        firstRates(Schedules.triangular(1, 5, 2, 4), 9),
        EXACT);
  }

  @Test
  void triangular2HalvesTheHeightInEachCycle() {
    assertArrayEquals(
        new double[] {1, 5, 9, 5, 1, 3, 5, 3, 1, 2, 3, 2, 1},
        firstRates(Schedules.triangular2(1, 9, 2, 2), 13),
        EXACT);
  }

  @Test
  void expRangeShrinksTheHeightInEachStep() {
    // Heights 0, 1/2, 1, 1/2, 0, 1/2 times 16 times 1, 1/2, 1/4, 1/8, 1/16, 1/32.
    assertArrayEquals(
        new double[] {1, 5, 5, 2, 1, 1.25},
        firstRates(Schedules.expRange(1, 17, 2, 2, 0.5), 6),
        EXACT);
  }

  @Test
  void oneCycleInTwoLinearPhases() {
    Schedule schedule =
        Schedules.oneCycle(1, 10)
            .pctStart(0.4)
            .annealing(Annealing.LINEAR)
            .divFactor(4)
            .finalDivFactor(10);
    // From 1/4 to 1 in 3 steps, from 1 to 1/40 in 6.
    assertArrayEquals(
        new double[] {0.25, 0.5, 0.75, 1, 0.8375, 0.675, 0.5125, 0.35, 0.1875, 0.025, 0.025},
        firstRates(schedule, 11),
        EXACT);
  }

  @Test
  void oneCycleInThreeLinearPhases() {
    Schedule schedule =
        Schedules.oneCycle(1, 10)
            .pctStart(0.4)
            .annealing(Annealing.LINEAR)
            .divFactor(4)
            .finalDivFactor(10)
            .threePhase(true);
    assertArrayEquals(
        new double[] {0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0.175, 0.1, 0.025, 0.025},
        firstRates(schedule, 11),
        EXACT);
  }

  @Test
  void oneCycleDefaultsAreThoseOfPyTorch() {
    assertEquals(
        "OneCycle[maxRate=0.5, totalSteps=200, pctStart=0.3, annealing=COSINE, divFactor=25.0, "
            + "finalDivFactor=10000.0, threePhase=false]",
        Schedules.oneCycle(0.5, 200).toString());
  }

  @Test
  void oneCyclesAreEqualIfAllOfTheirSettingsAre() {
    OneCycle base = Schedules.oneCycle(0.5, 200);
    List<OneCycle> changed =
        List.of(
            Schedules.oneCycle(0.25, 200),
            Schedules.oneCycle(0.5, 100),
            base.pctStart(0.4),
            base.annealing(Annealing.LINEAR),
            base.divFactor(10),
            base.finalDivFactor(10),
            base.threePhase(true));
    for (OneCycle other : changed) {
      assertNotEquals(base, other);
      // Back to where it was: no other setting was changed on the way.
      OneCycle back =
          other
              .pctStart(0.3)
              .annealing(Annealing.COSINE)
              .divFactor(25)
              .finalDivFactor(1e4)
              .threePhase(false);
      boolean isMade = changed.indexOf(other) < 2;
      assertEquals(isMade ? other : base, back);
      assertEquals(back.hashCode(), (isMade ? other : base).hashCode());
    }
    assertEquals(
        "OneCycle[maxRate=0.5, totalSteps=200, pctStart=0.4, annealing=LINEAR, divFactor=10.0, "
            + "finalDivFactor=20.0, threePhase=true]",
        base.pctStart(0.4)
            .annealing(Annealing.LINEAR)
            .divFactor(10)
            .finalDivFactor(20)
            .threePhase(true)
            .toString());
  }

  @Test
  void inverseSquareRootRisesThenFalls() {
    assertArrayEquals(
        new double[] {0.25, 0.5, 0.75, 1, 0.5, 0.1},
        rates(Schedules.inverseSquareRoot(1, 4), 1, 2, 3, 4, 16, 400),
        EXACT);
  }

  @Test
  void inverseSquareRootIsTheFormulaOfVaswani() {
    double width = 512;
    double warmUp = 4000;
    Schedule schedule = Schedules.inverseSquareRoot(1 / Math.sqrt(warmUp * width), 4000);
    for (long t : new long[] {1, 77, 3999, 4000, 4001, 100_000}) {
      double expected =
          Math.pow(width, -0.5) * Math.min(Math.pow(t, -0.5), t * Math.pow(warmUp, -1.5));
      assertEquals(expected, schedule.rate(t), expected * 1e-14, "step " + t);
    }
  }

  @Test
  void warmUpStableDecayInEachShape() {
    assertArrayEquals(
        new double[] {2, 4, 4, 4, 4, 3, 2, 1, 0, 0},
        firstRates(Schedules.warmUpStableDecay(4, 2, 2, 4), 10),
        EXACT);
    assertArrayEquals(
        new double[] {4, 4, 3, 2, 2},
        rates(Schedules.warmUpStableDecay(4, 2, 2, 4, Annealing.COSINE, 2), 4, 5, 7, 9, 10),
        EXACT);
    assertArrayEquals(
        new double[] {4, 4, 2, 4 * 0.2928932188134524, 4 * 0.1339745962155614, 0, 0},
        rates(
            Schedules.warmUpStableDecay(4, 2, 2, 4, Annealing.ONE_MINUS_SQRT, 0),
            4,
            5,
            6,
            7,
            8,
            9,
            10),
        EXACT);
  }

  @Test
  void warmUpStableDecayWithoutItsOptionalParts() {
    assertArrayEquals(
        new double[] {4, 2, 0}, firstRates(Schedules.warmUpStableDecay(4, 0, 0, 2), 3), EXACT);
  }

  @Test
  void warmUpStableDecayBearsLengthsWhoseSumIsOutOfRange() {
    long half = Long.MAX_VALUE / 2 + 1;
    Schedule schedule = Schedules.warmUpStableDecay(4, half, half, half);
    assertEquals(4, schedule.rate(Long.MAX_VALUE));
  }

  @Test
  void equalSchedulesHaveEqualHashesAndOthersMostlyDoNot() {
    Schedule base = Schedules.multiStep(0.1, 0.5, 3, 7);
    assertEquals(base.hashCode(), Schedules.multiStep(0.1, 0.5, 3, 7).hashCode());
    assertNotEquals(base.hashCode(), Schedules.multiStep(0.2, 0.5, 3, 7).hashCode());
    assertNotEquals(base.hashCode(), Schedules.multiStep(0.1, 0.4, 3, 7).hashCode());
    assertNotEquals(base.hashCode(), Schedules.multiStep(0.1, 0.5, 3, 8).hashCode());
    Schedule cycle = Schedules.oneCycle(1, 100);
    assertEquals(cycle.hashCode(), Schedules.oneCycle(1, 100).hashCode());
    assertNotEquals(cycle.hashCode(), Schedules.oneCycle(1, 101).hashCode());
  }

  @Test
  void oneCycleMayDivideByOneAndByTheGreatestNumber() {
    Schedule cycle = Schedules.oneCycle(1, 100).divFactor(1).finalDivFactor(Double.MAX_VALUE);
    assertEquals(1, cycle.rate(1));
    assertEquals(1 / Double.MAX_VALUE, cycle.rate(100));
  }

  @Test
  void schedulesDescribeThemselves() {
    assertEquals(
        "Cosine[learningRate=0.1, totalSteps=20, minimum=0.0]",
        Schedules.cosine(0.1, 20).toString());
    assertEquals(
        "MultiStep[learningRate=0.1, gamma=0.5, milestones=[3, 7]]",
        Schedules.multiStep(0.1, 0.5, 3, 7).toString());
    assertEquals(
        "WarmedUp[schedule=Constant[learningRate=0.1], steps=5, shape=LinearFrom[startFactor=0.2]]",
        Schedules.constant(0.1).warmUp(5, WarmUp.linear(0.2)).toString());
  }
}
