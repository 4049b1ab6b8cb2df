package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.schedule.WarmUp;
import org.junit.jupiter.api.Test;

/** Which schedules may be asked for the rates of later steps. */
class KnownAheadTest {
  private record Own(boolean isKnownAhead) implements Schedule {
    @Override
    public double rate(long step) {
      return 0.1;
    }
  }

  @Test
  void thoseOfTheLibraryThatFollowNoMetric() {
    Schedule cosine = Schedules.cosine(0.1, 100);
    assertTrue(cosine.isKnownAhead());
    assertTrue(cosine.warmUp(10).scaled(0.5).then(50, Schedules.constant(0.1)).isKnownAhead());
    assertTrue(cosine.warmUp(10, WarmUp.cosine()).cycle(30).isKnownAhead());
    assertFalse(Schedules.reduceOnPlateau(0.1).isKnownAhead());
    assertFalse(Schedules.reduceOnPlateau(0.1).warmUp(10).isKnownAhead());
  }

  @Test
  void aCallersOwnIfItSaysSo() {
    Schedule unknown = step -> 0.1;
    assertFalse(unknown.isKnownAhead());
    assertFalse(Schedules.constant(0.1).then(3, unknown).isKnownAhead());
    assertFalse(Schedules.constant(0.1).warmUp(3, (step, steps) -> 0.5).isKnownAhead());
    assertFalse(unknown.cycle(3).isKnownAhead());
    assertFalse(unknown.warmUp(3).isKnownAhead());
    assertFalse(unknown.untunedLinearWarmUp(0.9).isKnownAhead());
    assertFalse(unknown.untunedExponentialWarmUp(0.9).isKnownAhead());
    assertFalse(new Own(false).scaled(2).isKnownAhead());
    assertTrue(new Own(true).scaled(2).isKnownAhead());
  }
}
