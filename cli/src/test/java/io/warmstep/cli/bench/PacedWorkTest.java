package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PacedWorkTest {
  /** Of a clock that is made up: the work costs less with every round, as code that is compiled. */
  @ParameterizedTest
  @ValueSource(doubles = {1e-6, 1e-3, 0.4, 7, 49.9, 50, 3000})
  void noRoundThatCountsIsShort(double millisAtLast) throws InterruptedException {
    SplittableRandom random = new SplittableRandom(1);
    List<Double> rounds = new ArrayList<>();
    double[] slowness = {20};
    PacedWork work =
        new PacedWork(
            times -> {
              slowness[0] = Math.max(1, slowness[0] * 0.7);
              double millis = times * millisAtLast * slowness[0] * random.nextDouble(1, 1.1);
              rounds.add(millis);
              return millis;
            });
    int counted = 0;
    for (int i = 0; i < 60; i++) {
      int times = work.times();
      double once = work.round();
      double whole = rounds.get(rounds.size() - 1);
      assertEquals(whole < 50, Double.isNaN(once), "round of " + whole);
      if (!Double.isNaN(once)) {
        assertEquals(whole / times, once, 1e-12 * once);
        assertEquals(times, work.times(), "rounds that count are alike");
        counted++;
      }
    }
    assertTrue(counted >= 30, "counted " + counted);
    double longest = Math.max(50, millisAtLast);
    assertTrue(rounds.get(rounds.size() - 1) < 40 * longest, "at last " + rounds);
  }

  @Test
  void roundsHaveWholeUnits() throws InterruptedException {
    PacedWork work = new PacedWork(times -> times * 0.3, 7);
    assertEquals(7, work.times());
    while (Double.isNaN(work.round())) {
      assertEquals(0, work.times() % 7);
    }
    assertTrue(work.times() >= 50 / 0.3, work.times() + " times");
  }

  @Test
  void workThatTakesNoTimeEnds() throws InterruptedException {
    PacedWork work = new PacedWork(times -> 0);
    for (int i = 0; i < 50; i++) {
      work.round();
    }
    assertEquals(Integer.MAX_VALUE, work.times());
  }
}
