package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** The methods of {@link Schedule}: warm-ups, sequences, cycles, factors. */
class ScheduleCompositionTest {
  private static final double EXACT = 1e-15;

  /** A schedule that shows which of its own steps was asked for. */
  private static final Schedule OWN_STEP = step -> step;

  private static double[] firstRates(Schedule schedule, int count) {
    return LongStream.rangeClosed(1, count).mapToDouble(schedule::rate).toArray();
  }

  @Test
  void warmUpDelaysTheSchedule() {
    assertArrayEquals(
        new double[] {0.25, 0.5, 0.75, 1, 1, 2, 3}, firstRates(OWN_STEP.warmUp(4), 7), EXACT);
  }

  @Test
  void warmUpOfNoStepsChangesNothing() {
    assertArrayEquals(new double[] {1, 2, 3}, firstRates(OWN_STEP.warmUp(0), 3));
  }

  @Test
  void linearWarmUpFromAStartFactor() {
    assertArrayEquals(
        new double[] {0.2, 0.4, 0.6, 0.8, 1, 2},
        firstRates(OWN_STEP.warmUp(4, WarmUp.linear(0.2)), 6),
        EXACT);
  }

  @Test
  void exponentialWarmUpMultipliesByTheSameFactorEachStep() {
    assertArrayEquals(
        new double[] {0.0625, 0.125, 0.25, 0.5, 1, 2},
        firstRates(OWN_STEP.warmUp(4, WarmUp.exponential(0.0625)), 6),
        EXACT);
    assertArrayEquals(
        new double[] {0.01, 0.03162277660168379, 0.1, 0.31622776601683794, 1},
        firstRates(OWN_STEP.warmUp(4, WarmUp.exponential(0.01)), 5),
        EXACT);
  }

  @Test
  void cosineWarmUpIsHalfAWave() {
    double[] rates = firstRates(OWN_STEP.warmUp(8, WarmUp.cosine()), 10);
    assertEquals(0.03806023374435663, rates[0], EXACT);
    assertEquals(0.5, rates[3], EXACT);
    assertEquals(1, rates[7], EXACT);
    assertEquals(1, rates[8]);
    assertEquals(2, rates[9]);
  }

  @Test
  void aWarmUpOfYourOwn() {
    Schedule schedule = Schedules.constant(2).warmUp(3, (step, steps) -> step == steps ? 1 : 0.1);
    assertArrayEquals(new double[] {0.2, 0.2, 2, 2}, firstRates(schedule, 4), EXACT);
  }

  @Test
  void untunedLinearWarmUpDampensWithoutDelay() {
    // With beta2 = 0.5 the factor is t/4, and 1 from step 4 on.
    assertArrayEquals(
        new double[] {0.25, 1, 2.25, 4, 5, 6},
        firstRates(OWN_STEP.untunedLinearWarmUp(0.5), 6),
        EXACT);
    Schedule usual = Schedules.constant(1).untunedLinearWarmUp(0.999);
    assertEquals(0.0005, usual.rate(1), EXACT);
    assertEquals(0.5, usual.rate(1000), 1e-13);
    assertEquals(1, usual.rate(2000), 1e-13);
    assertEquals(1, usual.rate(2001));
  }

  @Test
  void untunedExponentialWarmUpDampensWithoutDelay() {
    Schedule usual = Schedules.constant(1).untunedExponentialWarmUp(0.999);
    assertEquals(0.000999500166624978, usual.rate(1), EXACT);
    assertEquals(0.09516258196404048, usual.rate(100), EXACT);
    assertEquals(0.6321205588285577, usual.rate(1000), EXACT);
    assertEquals(1, usual.rate(100_000));
    // With beta2 = 0.5: step 2 of the schedule times 1 - 1/e.
    assertEquals(2 * 0.6321205588285577, OWN_STEP.untunedExponentialWarmUp(0.5).rate(2), 2 * EXACT);
  }

  @Test
  void thenStartsTheNextScheduleAtItsOwnFirstStep() {
    assertArrayEquals(
        new double[] {1, 2, 10, 20, 30}, firstRates(OWN_STEP.then(2, OWN_STEP.scaled(10)), 5));
  }

  @Test
  void cycleRepeats() {
    assertArrayEquals(new double[] {1, 2, 3, 1, 2, 3, 1}, firstRates(OWN_STEP.cycle(3), 7));
  }

  @Test
  void scaledMultiplies() {
    assertArrayEquals(new double[] {0.5, 1, 1.5}, firstRates(OWN_STEP.scaled(0.5), 3));
    assertArrayEquals(new double[] {0, 0}, firstRates(OWN_STEP.scaled(0), 2));
  }

  @Test
  void aWarmedUpSequenceInACycle() {
    Schedule schedule =
        Schedules.constant(4).then(1, Schedules.constant(2)).warmUp(2).cycle(4).scaled(10);
    assertArrayEquals(new double[] {20, 40, 40, 20, 20, 40, 40, 20, 20}, firstRates(schedule, 9));
  }

  @Test
  void sharedLengthsAsTheCommandLineWouldComposeThem() {
    Schedule schedule = Schedules.cosine(1e-3, 100).warmUp(10);
    assertEquals(1e-4, schedule.rate(1), 1e-18);
    assertEquals(1e-3, schedule.rate(10));
    assertEquals(1e-3, schedule.rate(11));
    assertEquals(5e-4, schedule.rate(61), 1e-18);
    assertEquals(0, schedule.rate(111));
  }
}
