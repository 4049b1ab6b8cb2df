package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;

/** Tests on the simulated driver, which they leave as it was. */
@Tag("cudasim")
abstract class SimulatedTest {
  private long live;
  private long violations;

  @BeforeEach
  final void begin() {
    CudaSim.load();
    CudaSim.failNothing();
    live = CudaSim.live();
    violations = CudaSim.violations();
  }

  @AfterEach
  final void nothingIsLeft() {
    assertEquals(live, CudaSim.live(), "handles and allocations");
    assertEquals(0, CudaSim.current(), "contexts on this thread's stack");
    assertTrue(CudaSim.primaryUses() <= 1, "the primary context is retained once");
    assertEquals(violations, CudaSim.violations(), "damaged guard zones and misused handles");
  }
}
