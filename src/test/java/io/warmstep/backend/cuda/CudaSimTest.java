package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The simulator's own checks: a kernel that lacks a barrier would have the right results in it. */
@Tag("cudasim")
class CudaSimTest {
  @ParameterizedTest(name = "{1}: {2}")
  @CsvSource({
    "0, barriers wherever one is needed, 0",
    "1, phases that share nothing and say so, 0",
    "2, no barrier between phases, 1",
    "3, no barrier before a read of the whole block, 1",
    "4, no barrier between such a read and a phase, 1",
    "5, a barrier that not all threads reach, 1",
    "6, another block begins anew, 0"
  })
  void missingBarriersAreViolations(int order, String what, long violations) {
    CudaSim.load();
    for (int i = 0; i < 2; i++) { // printed once, counted each time
      assertEquals(violations, CudaSim.phases(order), what);
    }
  }
}
