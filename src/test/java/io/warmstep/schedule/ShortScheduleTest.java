package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every schedule at its least lengths, and at the greatest number that a step can have. */
class ShortScheduleTest {
  private static final double EXACT = 1e-15;

  /** A schedule that shows which of its own steps was asked for. */
  private static final Schedule OWN_STEP = step -> step;

  private static double[] rates(Schedule schedule, long... steps) {
    return LongStream.of(steps).mapToDouble(schedule::rate).toArray();
  }

  /** The rates of steps 1, 2, 3 and of the last step that there can be. */
  private static void expect(Schedule schedule, double... rates) {
    assertArrayEquals(
        rates, rates(schedule, 1, 2, 3, Long.MAX_VALUE), EXACT, () -> schedule.toString());
  }

  @ParameterizedTest
  @CsvSource({
    "2, 0.3, false",
    "2, 0.5, false",
    "2, 0.5, true",
    "2, 1e-9, true",
    "3, 0.3, false",
    "3, 0.3, true",
    "3, 0.5, true",
    "4, 0.25, false",
    "4, 0.25, true",
    "4, 0.5, true",
    "10, 0.1, false",
    "10, 0.05, false",
    "10, 0.1, true",
    "10, 0.15, true",
    "10, 0.99, false",
    "10, 0.9999999999999999, false",
    "4611686018427387904, 0.9999999999999999, false",
    "9223372036854775807, 1e-300, true",
    "9223372036854775807, 0.5, true"
  })
  void oneCycleBeginsAtItsInitialRateAndEndsAtItsFinalRate(
      long totalSteps, double pctStart, boolean threePhase) {
    for (Annealing annealing : Annealing.values()) {
      OneCycle cycle =
          Schedules.oneCycle(1, totalSteps)
              .pctStart(pctStart)
              .threePhase(threePhase)
              .annealing(annealing);
      assertEquals(0.04, cycle.rate(1), cycle.toString());
      assertEquals(0.04 / 1e4, cycle.rate(totalSteps), cycle.toString());
      assertEquals(0.04 / 1e4, cycle.rate(Long.MAX_VALUE), cycle.toString());
      if (totalSteps < Long.MAX_VALUE) {
        assertEquals(0.04 / 1e4, cycle.rate(totalSteps + 1), cycle.toString());
      }
    }
  }

  /** PyTorch's {@code OneCycleLR.get_lr}, a step after the first, with straight lines. */
  private static double pyTorch(long done, long total, double pctStart, boolean threePhase) {
    double initial = 0.04;
    double least = initial / 1e4;
    double[] ends =
        threePhase
            ? new double[] {pctStart * total - 1, 2 * pctStart * total - 2, total - 1}
            : new double[] {pctStart * total - 1, total - 1};
    double[] rates =
        threePhase ? new double[] {initial, 1, initial, least} : new double[] {initial, 1, least};
    int phase = 0;
    double start = 0;
    while (done > ends[phase] && phase < ends.length - 1) {
      start = ends[phase++];
    }
    double share = (done - start) / (ends[phase] - start);
    return rates[phase] + share * (rates[phase + 1] - rates[phase]);
  }

  @ParameterizedTest
  @ValueSource(longs = {7, 20_210_914})
  void oneCycleIsThatOfPyTorchFromItsSecondStepOn(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 2000; i++) {
      long total = 2 + random.nextInt(12);
      boolean threePhase = random.nextBoolean();
      double pctStart = random.nextDouble(1e-3, threePhase ? 0.5 : 1);
      OneCycle cycle =
          Schedules.oneCycle(1, total)
              .pctStart(pctStart)
              .threePhase(threePhase)
              .annealing(Annealing.LINEAR);
      for (long step = 2; step <= total; step++) {
        assertEquals(
            pyTorch(step - 1, total, pctStart, threePhase),
            cycle.rate(step),
            1e-12,
            "seed " + seed + ": " + cycle + " at step " + step);
      }
    }
  }

  @Test
  void oneCycleOfTheLeastLengthsThatReachTheTop() {
    // Two phases of one step each, then three of one step each.
    double end = 0.04 / 1e4;
    expect(Schedules.oneCycle(1, 3).pctStart(2 / 3.0), 0.04, 1, end, end);
    assertArrayEquals(
        new double[] {0.04, 1, 0.04, end, end},
        rates(Schedules.oneCycle(1, 4).pctStart(0.5).threePhase(true), 1, 2, 3, 4, 5),
        EXACT);
  }

  @Test
  void constantsAndStairs() {
    expect(Schedules.constant(0.3), 0.3, 0.3, 0.3, 0.3);
    expect(Schedules.constantFactor(0.5, 0.25, 1), 0.125, 0.5, 0.5, 0.5);
    expect(Schedules.constantFactor(0.5, 0.25, Long.MAX_VALUE), 0.125, 0.125, 0.125, 0.125);
    expect(Schedules.step(8, 1, 0.5), 8, 4, 2, 0);
    expect(Schedules.step(8, 1, 1), 8, 8, 8, 8);
    expect(Schedules.step(8, Long.MAX_VALUE - 1, 0.5), 8, 8, 8, 4);
    expect(Schedules.multiStep(8, 0.5, 1), 8, 4, 4, 4);
    expect(Schedules.multiStep(8, 0.5, 1, Long.MAX_VALUE - 1), 8, 4, 4, 2);
    expect(Schedules.multiStep(8, 0.5, Long.MAX_VALUE), 8, 8, 8, 8);
    expect(Schedules.exponential(8, 0.5), 8, 4, 2, 0);
    expect(Schedules.exponential(8, 1), 8, 8, 8, 8);
  }

  @Test
  void linesAndWavesOfOneStep() {
    expect(Schedules.linear(2, 0.5, 3, 1), 1, 6, 6, 6);
    expect(Schedules.polynomial(2, 1, 1), 2, 0, 0, 0);
    expect(Schedules.polynomial(2, 1, 0.5), 2, 0, 0, 0);
    expect(Schedules.polynomial(2, 1, Double.MIN_VALUE), 2, 0, 0, 0);
    expect(Schedules.polynomial(2, 1, Double.MAX_VALUE), 2, 0, 0, 0);
    expect(Schedules.cosine(2, 1), 2, 0, 0, 0);
    expect(Schedules.cosine(2, 1, 0.5), 2, 0.5, 0.5, 0.5);
    expect(Schedules.cosine(2, 1, 2), 2, 2, 2, 2);
  }

  @Test
  void linesAndWavesAsLongAsCanBe() {
    long longest = Long.MAX_VALUE;
    assertEquals(6, Schedules.linear(2, 0.5, 3, longest).rate(longest), EXACT);
    // One step of 2^63 is left.
    assertEquals(0x1p-62, Schedules.polynomial(2, longest, 1).rate(longest), 0x1p-110);
    double wave = 2 * Math.pow(Math.PI / 2 * 0x1p-63, 2);
    assertEquals(wave, Schedules.cosine(2, longest).rate(longest), wave * 1e-14);
  }

  @Test
  void restartsOfOneStep() {
    expect(Schedules.cosineWarmRestarts(4, 1, 1, 1), 4, 4, 4, 4);
    // The last step there can be, 2^63 - 1, is the first of a period of 2.
    expect(Schedules.cosineWarmRestarts(4, 2, 1, 0), 4, 2, 4, 4);
    // Periods of 1, 2, 4 and so on, so step 2^k is the first of one.
    Schedule doubling = Schedules.cosineWarmRestarts(4, 1, 2, 0);
    assertArrayEquals(
        new double[] {4, 4, 2, 4, 4, 4, 2},
        rates(doubling, 1, 2, 3, 4, 8, 1L << 62, (1L << 62) + (1L << 61)),
        EXACT);
    // One period that no step reaches the end of.
    Schedule endless = Schedules.cosineWarmRestarts(4, Long.MAX_VALUE, Long.MAX_VALUE, 1);
    expect(endless, 4, 4, 4, 1);
  }

  @Test
  void restartsWhosePeriodsLeaveTheRangeOfLong() {
    // Periods of 3, 3e3 … 3e18, which end after about 3.003e18 steps, and one of 3e21, of which
    // the last step there can be has 6.22e18 behind it.
    double angle = Math.PI / 2 * (Long.MAX_VALUE - 3.0030030030030029E+18) / 3e21;
    assertEquals(
        4 * Math.pow(Math.cos(angle), 2),
        Schedules.cosineWarmRestarts(4, 3, 1000, 0).rate(Long.MAX_VALUE),
        1e-14);
    // Periods of 2^62 and 2^63: half of the second is over at step 2^62 + 2^62 + 1.
    assertEquals(2, Schedules.cosineWarmRestarts(4, 1L << 62, 2, 0).rate(Long.MAX_VALUE), 4e-15);
    // The second of these periods has a length that is 1.5 times what a long can hold.
    long third = (1L << 62) + (1L << 61) - 1;
    assertEquals(
        4 * Math.pow(Math.cos(Math.PI / 2 / 6), 2),
        Schedules.cosineWarmRestarts(4, third, 2, 0).rate(Long.MAX_VALUE),
        1e-14);
  }

  @Test
  void cyclesOfOneStepUpAndOneDown() {
    expect(Schedules.triangular(1, 3, 1, 1), 1, 3, 1, 1);
    expect(Schedules.triangular(1, 3, 1, Long.MAX_VALUE - 1), 1, 3, 3, 1);
    expect(Schedules.triangular(1, 3, Long.MAX_VALUE - 1, 1), 1, 1, 1, 3);
    expect(Schedules.triangular2(1, 3, 1, 1), 1, 3, 1, 1);
    assertEquals(2, Schedules.triangular2(1, 3, 1, 1).rate(4));
    assertEquals(1.5, Schedules.triangular2(1, 3, 1, 1).rate(6));
    // The second step's height is gamma, the fourth's gamma^3.
    expect(Schedules.expRange(1, 3, 1, 1, 0.5), 1, 2, 1, 1);
    assertEquals(1.25, Schedules.expRange(1, 3, 1, 1, 0.5).rate(4));
  }

  @Test
  void inverseSquareRootWithAWarmUpOfOneStep() {
    expect(
        Schedules.inverseSquareRoot(2, 1),
        2,
        2 / Math.sqrt(2),
        2 / Math.sqrt(3),
        2 / Math.sqrt(Long.MAX_VALUE));
    assertEquals(2, Schedules.inverseSquareRoot(2, Long.MAX_VALUE).rate(Long.MAX_VALUE));
    assertTrue(Schedules.inverseSquareRoot(2, Long.MAX_VALUE).rate(1) > 0);
  }

  @Test
  void warmUpStableDecayWithEmptyPhases() {
    expect(Schedules.warmUpStableDecay(4, 0, 0, 1), 4, 0, 0, 0);
    expect(Schedules.warmUpStableDecay(4, 1, 0, 1), 4, 4, 0, 0);
    expect(Schedules.warmUpStableDecay(4, 0, 1, 1), 4, 4, 0, 0);
    for (Annealing shape : Annealing.values()) {
      expect(Schedules.warmUpStableDecay(4, 0, 0, 1, shape, 1), 4, 1, 1, 1);
      expect(Schedules.warmUpStableDecay(4, 0, 0, 1, shape, 4), 4, 4, 4, 4);
    }
    long longest = Long.MAX_VALUE;
    assertEquals(4, Schedules.warmUpStableDecay(4, longest, 0, 1).rate(longest));
    assertEquals(4, Schedules.warmUpStableDecay(4, 0, longest, 1).rate(longest));
    assertEquals(4, Schedules.warmUpStableDecay(4, longest - 1, 0, 1).rate(longest));
    assertEquals(0, Schedules.warmUpStableDecay(4, longest - 2, 0, 1).rate(longest));
  }

  @Test
  void warmUpsOfOneStep() {
    expect(OWN_STEP.warmUp(1), 1, 1, 2, Long.MAX_VALUE - 1);
    expect(OWN_STEP.warmUp(1, WarmUp.cosine()), 1, 1, 2, Long.MAX_VALUE - 1);
    expect(OWN_STEP.warmUp(1, WarmUp.linear(0.25)), 0.25, 1, 2, Long.MAX_VALUE - 1);
    expect(OWN_STEP.warmUp(1, WarmUp.exponential(0.25)), 0.25, 1, 2, Long.MAX_VALUE - 1);
  }

  @Test
  void warmUpsLongerThanTheirSchedule() {
    // The schedule's only step comes after all of the warm-up, in which it does not decay.
    assertArrayEquals(
        new double[] {0.5, 1, 1.5, 2, 2, 0},
        rates(Schedules.cosine(2, 1).warmUp(4), 1, 2, 3, 4, 5, 6),
        EXACT);
    long longest = Long.MAX_VALUE;
    assertEquals(1, OWN_STEP.warmUp(longest).rate(longest));
    assertEquals(1, OWN_STEP.warmUp(longest, WarmUp.cosine()).rate(longest));
    assertEquals(1, OWN_STEP.warmUp(longest, WarmUp.linear(0.5)).rate(longest), EXACT);
    assertEquals(1, OWN_STEP.warmUp(longest, WarmUp.exponential(0.5)).rate(longest), EXACT);
    assertTrue(OWN_STEP.warmUp(longest).rate(1) > 0);
    assertTrue(OWN_STEP.warmUp(longest, WarmUp.cosine()).rate(1) > 0);
    assertEquals(1, OWN_STEP.warmUp(longest - 1).rate(longest));
  }

  @Test
  void sequencesAndCyclesOfOneStep() {
    expect(OWN_STEP.then(1, OWN_STEP.scaled(10)), 1, 10, 20, 10.0 * (Long.MAX_VALUE - 1));
    assertEquals(
        10, OWN_STEP.then(Long.MAX_VALUE - 1, Schedules.constant(10)).rate(Long.MAX_VALUE));
    expect(OWN_STEP.cycle(1), 1, 1, 1, 1);
    expect(OWN_STEP.cycle(2), 1, 2, 1, 1);
    assertEquals(0x1p63, OWN_STEP.cycle(Long.MAX_VALUE).rate(Long.MAX_VALUE));
  }

  @Test
  void untunedWarmUps() {
    Schedule one = Schedules.constant(1);
    expect(one.untunedLinearWarmUp(0), 0.5, 1, 1, 1);
    expect(
        one.untunedExponentialWarmUp(0), 1 - Math.exp(-1), 1 - Math.exp(-2), 1 - Math.exp(-3), 1);
    // 1 - beta2 is 2^-53, the least that it can be.
    double largest = Math.nextDown(1.0);
    expect(one.untunedLinearWarmUp(largest), 0x1p-54, 0x1p-53, 0x1.8p-53, 1);
    assertEquals(0x1p-53, one.untunedExponentialWarmUp(largest).rate(1), 0x1p-100);
    assertEquals(1, one.untunedExponentialWarmUp(largest).rate(Long.MAX_VALUE));
  }

  @Test
  void plateauOfNoPatienceAndOneReportOfCooldown() {
    PlateauSchedule schedule =
        Schedules.reduceOnPlateau(8).factor(0.5).patience(0).threshold(0).cooldown(1);
    double[] after = new double[6];
    for (int i = 0; i < after.length; i++) {
      schedule.report(1);
      after[i] = schedule.rate(Long.MAX_VALUE);
    }
    // The first report is an improvement; after each reduction one does not count.
    assertArrayEquals(new double[] {8, 4, 4, 2, 2, 1}, after);
  }
}
