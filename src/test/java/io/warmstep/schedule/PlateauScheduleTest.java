package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.PlateauSchedule.Mode;
import io.warmstep.schedule.PlateauSchedule.ThresholdMode;
import org.junit.jupiter.api.Test;

class PlateauScheduleTest {
  /** The rate after each of the reports. */
  private static double[] ratesAfter(PlateauSchedule schedule, double... metrics) {
    double[] rates = new double[metrics.length];
    for (int i = 0; i < metrics.length; i++) {
      schedule.report(metrics[i]);
      rates[i] = schedule.rate(i + 1);
    }
    return rates;
  }

  private static PlateauSchedule impatient() {
    return Schedules.reduceOnPlateau(8).factor(0.5).patience(0).threshold(0);
  }

  /** A metric that is as good as the best is no improvement. */
  @Test
  void anEqualMetricIsNoImprovement() {
    assertArrayEquals(new double[] {8, 4}, ratesAfter(impatient(), 5, 5));
    assertArrayEquals(new double[] {8, 4}, ratesAfter(impatient().mode(Mode.MAX), 5, 5));
    assertArrayEquals(new double[] {8, 4}, ratesAfter(impatient().mode(Mode.MAX), 0, 0));
  }

  @Test
  void rateDependsOnTheReportsAloneAndNotOnTheStep() {
    PlateauSchedule schedule = impatient();
    assertEquals(8, schedule.rate(1));
    assertEquals(8, schedule.rate(1_000_000));
    schedule.report(1);
    schedule.report(1);
    assertEquals(4, schedule.rate(1));
    assertThrows(IllegalArgumentException.class, () -> schedule.rate(0));
  }

  @Test
  void patienceIsExceededByTheReportAfterIt() {
    assertArrayEquals(
        new double[] {8, 8, 8, 4, 4, 4, 2},
        ratesAfter(impatient().patience(2), 1, 1, 1, 1, 1, 1, 1));
  }

  @Test
  void anImprovementStartsTheCountAnew() {
    assertArrayEquals(
        new double[] {8, 8, 8, 8, 4}, ratesAfter(impatient().patience(1), 5, 5, 4, 4, 4));
  }

  @Test
  void cooldownReportsDoNotCount() {
    assertArrayEquals(
        new double[] {8, 4, 4, 4, 2, 2, 2, 1},
        ratesAfter(impatient().cooldown(2), 1, 1, 1, 1, 1, 1, 1, 1));
  }

  @Test
  void aRelativeThresholdIsAShareOfTheBest() {
    // The bar is 90, then 89 * 0.9 = 80.1.
    assertArrayEquals(
        new double[] {8, 4, 4, 2, 2}, ratesAfter(impatient().threshold(0.1), 100, 91, 89, 81, 80));
  }

  @Test
  void anAbsoluteThresholdIsADifference() {
    assertArrayEquals(
        new double[] {8, 4, 4},
        ratesAfter(
            impatient().thresholdMode(ThresholdMode.ABSOLUTE).threshold(10), 100, 90.5, 89.5));
  }

  @Test
  void greaterIsBetterInModeMax() {
    PlateauSchedule relative = impatient().mode(Mode.MAX).threshold(0.1);
    assertArrayEquals(new double[] {8, 4, 4}, ratesAfter(relative, 100, 109, 111));
    PlateauSchedule absolute =
        impatient().mode(Mode.MAX).thresholdMode(ThresholdMode.ABSOLUTE).threshold(10);
    assertArrayEquals(new double[] {8, 4, 4}, ratesAfter(absolute, 100, 109.5, 110.5));
  }

  @Test
  void aRelativeThresholdHoldsForNegativeMetricsToo() {
    // Smaller by more than a tenth of 100: -110 is the bar, and -105 is not enough.
    assertArrayEquals(
        new double[] {8, 4, 4}, ratesAfter(impatient().threshold(0.1), -100, -105, -111));
    assertArrayEquals(
        new double[] {8, 4, 4},
        ratesAfter(impatient().mode(Mode.MAX).threshold(0.1), -100, -95, -89));
  }

  @Test
  void metricsThatAreNotFiniteAreNoImprovement() {
    PlateauSchedule schedule = impatient();
    assertArrayEquals(
        new double[] {8, 4, 2, 1, 1},
        ratesAfter(schedule, 5, Double.NaN, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 4));
    assertEquals(4, schedule.state().best());
  }

  @Test
  void aNaNAtTheStartDoesNotBecomeTheBest() {
    assertArrayEquals(new double[] {4, 4, 4}, ratesAfter(impatient(), Double.NaN, 3, 2));
  }

  @Test
  void theRateStopsAtTheMinimum() {
    assertArrayEquals(new double[] {8, 4, 3, 3}, ratesAfter(impatient().minimum(3), 1, 1, 1, 1));
  }

  @Test
  void reductionsNoGreaterThanEpsAreNotMade() {
    assertArrayEquals(new double[] {8, 4, 4, 4}, ratesAfter(impatient().eps(2), 1, 1, 1, 1));
  }

  @Test
  void theDefaultsAreThoseOfPyTorch() {
    String defaults = Schedules.reduceOnPlateau(0.5).toString();
    assertEquals(
        "PlateauSchedule[rate=0.5, best=Infinity, badReports=0, cooldownLeft=0, "
            + "Settings[learningRate=0.5, mode=MIN, factor=0.1, patience=10, threshold=1.0E-4, "
            + "thresholdMode=RELATIVE, cooldown=0, minimum=0.0, eps=1.0E-8]]",
        defaults);
  }

  @Test
  void eachSettingIsChangedAlone() {
    PlateauSchedule base = Schedules.reduceOnPlateau(0.5);
    changed("mode=MIN", "mode=MAX", base, base.mode(Mode.MAX));
    changed("factor=0.1", "factor=0.25", base, base.factor(0.25));
    changed("patience=10", "patience=3", base, base.patience(3));
    changed("threshold=1.0E-4", "threshold=0.5", base, base.threshold(0.5));
    changed("=RELATIVE", "=ABSOLUTE", base, base.thresholdMode(ThresholdMode.ABSOLUTE));
    changed("cooldown=0", "cooldown=7", base, base.cooldown(7));
    changed("minimum=0.0", "minimum=0.125", base, base.minimum(0.125));
    changed("eps=1.0E-8", "eps=0.75", base, base.eps(0.75));
    // What was changed before stays.
    changed("eps=1.0E-8", "eps=0.75", base.mode(Mode.MAX), base.mode(Mode.MAX).eps(0.75));
  }

  private static void changed(
      String from, String to, PlateauSchedule base, PlateauSchedule changed) {
    assertEquals(settings(base).replace(from, to), settings(changed));
  }

  private static String settings(PlateauSchedule schedule) {
    return schedule.toString().replaceFirst(".*Settings", "");
  }

  @Test
  void aChangedCopyStartsAfresh() {
    PlateauSchedule schedule = impatient();
    schedule.report(1);
    schedule.report(1);
    PlateauSchedule copy = schedule.patience(3);

    assertEquals(8, copy.rate(1));
    assertEquals(4, schedule.rate(1));
  }

  @Test
  void aSavedStateGoesOnExactly() {
    PlateauSchedule original = impatient().patience(1).cooldown(2);
    ratesAfter(original, 3, 3, 3, 3);
    PlateauSchedule resumed = impatient().patience(1).cooldown(2);
    resumed.restore(original.state());

    double[] metrics = {3, 3, 2, 2, 2, 2, 1};
    assertArrayEquals(ratesAfter(original, metrics), ratesAfter(resumed, metrics));
    assertEquals(original.state(), resumed.state());
    assertTrue(resumed.state().rate() < 4, "the reports were to reduce the rate again");
  }

  private static PlateauSchedule.State after(
      PlateauSchedule schedule, PlateauSchedule.State restored, double metric) {
    schedule.restore(restored);
    schedule.report(metric);
    return schedule.state();
  }

  @Test
  void countsBeyondThePatienceReduceTheRateAtOnce() {
    PlateauSchedule schedule = impatient().patience(2).cooldown(3);
    for (long bad : new long[] {2, 3, Long.MAX_VALUE - 1, Long.MAX_VALUE}) {
      PlateauSchedule.State state = new PlateauSchedule.State(1, 0.5, bad, 0);
      assertEquals(new PlateauSchedule.State(0.5, 0.5, 0, 3), after(schedule, state, 1));
      assertEquals(new PlateauSchedule.State(1, 0.25, 0, 0), after(schedule, state, 0.25));
    }
  }

  @Test
  void theLongestPatienceIsCountedToItsEnd() {
    PlateauSchedule schedule = impatient().patience(Long.MAX_VALUE);
    PlateauSchedule.State last = new PlateauSchedule.State(1, 0.5, Long.MAX_VALUE, 0);
    PlateauSchedule.State beforeIt = new PlateauSchedule.State(1, 0.5, Long.MAX_VALUE - 1, 0);
    assertEquals(last, after(schedule, beforeIt, 1));
    assertEquals(new PlateauSchedule.State(0.5, 0.5, 0, 0), after(schedule, last, 1));
  }

  @Test
  void theLongestCooldownIsCountedDown() {
    PlateauSchedule schedule = impatient().cooldown(Long.MAX_VALUE);
    PlateauSchedule.State reduced = new PlateauSchedule.State(0.5, 0.5, 0, Long.MAX_VALUE);
    assertEquals(reduced, after(schedule, new PlateauSchedule.State(1, 0.5, 0, 0), 1));
    assertEquals(
        new PlateauSchedule.State(0.5, 0.5, 0, Long.MAX_VALUE - 1), after(schedule, reduced, 1));
    // Whatever was counted before, in a cooldown nothing counts.
    assertEquals(
        new PlateauSchedule.State(1, 0.5, 0, 0),
        after(schedule, new PlateauSchedule.State(1, 0.5, Long.MAX_VALUE, 1), 1));
  }

  @Test
  void anImprovementInACooldownIsTheBestFromThenOn() {
    PlateauSchedule schedule = impatient().cooldown(1);
    assertArrayEquals(new double[] {8, 4, 4, 2}, ratesAfter(schedule, 5, 5, 3, 4));
    assertEquals(3, schedule.state().best());
  }

  @Test
  void itComposesLikeAnySchedule() {
    PlateauSchedule plateau = impatient();
    Schedule schedule = plateau.warmUp(4);
    assertEquals(2, schedule.rate(1));
    ratesAfter(plateau, 1, 1);
    assertEquals(4, schedule.rate(5));
  }
}
