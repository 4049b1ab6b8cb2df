package io.warmstep.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LeastAllocatedTest {
  private final LeastAllocated allocated = new LeastAllocated();

  @Test
  void whatTheJvmAllocatesNowAndThenIsNoSteps() {
    assertTrue(allocated.isOpen());
    allocated.add(24);
    assertTrue(allocated.isOpen());
    allocated.add(12);
    assertTrue(allocated.isOpen());
    allocated.add(0);
    assertFalse(allocated.isOpen());
    allocated.add(24);
    assertEquals(0, allocated.bytes());
  }

  @Test
  void whatEachRoundAllocatesIsTheSteps() {
    int rounds = 0;
    while (allocated.isOpen()) {
      allocated.add(rounds == 3 ? 54 : 48);
      rounds++;
    }
    assertEquals(LeastAllocated.ROUNDS, rounds);
    assertEquals(48, allocated.bytes());
  }

  @Test
  void forgetsRoundsOfAnotherLength() {
    allocated.add(0);
    allocated.clear();
    assertTrue(allocated.isOpen());
    allocated.add(32);
    assertEquals(32, allocated.bytes());
  }
}
