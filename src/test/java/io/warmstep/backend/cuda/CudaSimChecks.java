package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails a class of tests in which the simulated driver found a violation, which the results need
 * not show. JUnit finds this by itself where bin/test says so.
 */
public final class CudaSimChecks implements AfterAllCallback {
  private static long seen;

  /** The extension. */
  public CudaSimChecks() {}

  @Override
  public void afterAll(ExtensionContext context) {
    CudaSim.load();
    long before = seen;
    seen = CudaSim.violations();
    assertEquals(before, seen, "violations that the simulator found and printed as cudasim: ...");
  }
}
