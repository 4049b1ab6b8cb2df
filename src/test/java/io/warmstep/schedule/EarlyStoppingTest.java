package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.EarlyStopping.State;
import io.warmstep.schedule.PlateauSchedule.Mode;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EarlyStoppingTest {
  /** The number of the report after which it is stopped; 0 if it is not. */
  private static int stopAfter(EarlyStopping stopping, double... metrics) {
    for (int i = 0; i < metrics.length; i++) {
      stopping.report(metrics[i]);
      if (stopping.isStopped()) {
        return i + 1;
      }
    }
    return 0;
  }

  @Test
  void stopsAfterAsManyReportsWithoutImprovementAsThePatience() {
    EarlyStopping stopping = EarlyStopping.patience(3);
    assertEquals(7, stopAfter(stopping, 5, 6, 4, 3, 3, 3.5, 3.1, 1));
    assertEquals(3, stopping.best());
    assertEquals(4, stopping.bestReport());
    assertEquals(2, stopAfter(EarlyStopping.patience(1), 1, 1));
    assertEquals(0, stopAfter(EarlyStopping.patience(2), 5, 6, 4, 5, 3, 4, 2));
  }

  @Test
  void anImprovementAfterTheStopIsKeptAndDoesNotTakeItBack() {
    EarlyStopping stopping = EarlyStopping.patience(1);
    stopAfter(stopping, 2, 2);
    assertTrue(stopping.report(1));
    assertTrue(stopping.isStopped());
    assertEquals(3, stopping.bestReport());
  }

  @Test
  void aReportSaysWhetherItIsTheBest() {
    EarlyStopping stopping = EarlyStopping.patience(9);
    assertTrue(stopping.report(2));
    assertFalse(stopping.report(2));
    assertFalse(stopping.report(3));
    assertTrue(stopping.report(1.9));
  }

  @Test
  void aChangeMustExceedTheMinimumAndSmallOnesAddUp() {
    EarlyStopping stopping = EarlyStopping.patience(3).minChange(0.25);
    assertTrue(stopping.report(1));
    assertFalse(stopping.report(0.875));
    assertFalse(stopping.report(0.75), "exactly the minimum change");
    assertTrue(stopping.report(0.625));
    assertEquals(4, stopping.bestReport());
    EarlyStopping greater = EarlyStopping.patience(3).minChange(0.25).mode(Mode.MAX);
    assertTrue(greater.report(0.5));
    assertFalse(greater.report(0.75));
    assertTrue(greater.report(0.8125));
  }

  @Test
  void negativeMetricsAndZerosWorkInBothModes() {
    assertEquals(4, stopAfter(EarlyStopping.patience(2), -1, -2, -1.5, -2));
    assertEquals(3, stopAfter(EarlyStopping.patience(2).mode(Mode.MAX), 0, -0.0, -1));
  }

  @ParameterizedTest
  @CsvSource({"NaN", "Infinity", "-Infinity"})
  void whatIsNotFiniteIsNoImprovement(double metric) {
    EarlyStopping stopping = EarlyStopping.patience(2);
    assertFalse(stopping.report(metric));
    assertEquals(0, stopping.bestReport());
    assertTrue(Double.isNaN(stopping.best()));
    assertTrue(stopping.report(7));
    assertFalse(stopping.report(metric));
    assertFalse(stopping.report(metric));
    assertTrue(stopping.isStopped());
    assertEquals(7, stopping.best());
    assertEquals(2, stopAfter(EarlyStopping.patience(2), metric, metric), "never a finite one");
  }

  @Test
  void aRestoredRunGoesOnAsIfItHadNotStopped() {
    SplittableRandom random = new SplittableRandom(5);
    for (int run = 0; run < 200; run++) {
      EarlyStopping whole = EarlyStopping.patience(1 + run % 7).minChange(run % 3 * 0.01);
      EarlyStopping resumed = EarlyStopping.patience(1 + run % 7).minChange(run % 3 * 0.01);
      for (int i = 0; i < 40; i++) {
        double metric = random.nextInt(20) == 0 ? Double.NaN : random.nextDouble() + 2.0 / (1 + i);
        assertEquals(whole.report(metric), resumed.report(metric));
        State state = resumed.state();
        assertEquals(whole.state(), state);
        resumed = EarlyStopping.patience(1 + run % 7).minChange(run % 3 * 0.01);
        resumed.restore(state);
      }
    }
  }

  @Test
  void countersAtTheirGreatestValueStayThere() {
    EarlyStopping stopping = EarlyStopping.patience(Long.MAX_VALUE);
    stopping.restore(new State(1, 3, Long.MAX_VALUE, Long.MAX_VALUE - 1, false));
    stopping.report(2);
    assertTrue(stopping.isStopped());
    stopping.report(2);
    assertEquals(new State(1, 3, Long.MAX_VALUE, Long.MAX_VALUE, true), stopping.state());
    assertTrue(stopping.report(0.5));
    assertEquals(new State(0.5, Long.MAX_VALUE, Long.MAX_VALUE, 0, true), stopping.state());
  }

  @Test
  void settingsStartAfresh() {
    EarlyStopping stopping = EarlyStopping.patience(1);
    stopAfter(stopping, 1, 1);
    assertFalse(stopping.minChange(0).isStopped());
    assertEquals(0, stopping.mode(Mode.MAX).state().reports());
    assertTrue(stopping.toString().contains("patience=1, minChange=0.0, mode=MIN, best=1.0"));
  }

  @Test
  void badSettingsAndStatesAreRefused() {
    double nan = Double.NaN;
    refused("patience is 0, must be at least 1", () -> EarlyStopping.patience(0));
    EarlyStopping stopping = EarlyStopping.patience(1);
    for (double change : new double[] {nan, -1e-9, Double.POSITIVE_INFINITY}) {
      refused("minChange is " + change, () -> stopping.minChange(change));
    }
    assertThrows(NullPointerException.class, () -> stopping.mode(null));
    assertThrows(NullPointerException.class, () -> stopping.restore(null));
    refused("best is Infinity", () -> new State(Double.POSITIVE_INFINITY, 1, 1, 0, false));
    refused("reports is -1", () -> new State(nan, 0, -1, 0, false));
    refused("bestReport is 2", () -> new State(1, 2, 1, 0, false));
    refused("bestReport is -1", () -> new State(1, -1, 1, 0, false));
    refused("badReports is 2", () -> new State(1, 1, 1, 2, false));
    refused("badReports is -1", () -> new State(1, 1, 1, -1, false));
    refused("bestReport is 1", () -> new State(nan, 1, 1, 0, false));
    refused("bestReport is 0", () -> new State(1, 0, 1, 0, false));
  }

  private static void refused(String start, org.junit.jupiter.api.function.Executable call) {
    Exception e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
  }
}
