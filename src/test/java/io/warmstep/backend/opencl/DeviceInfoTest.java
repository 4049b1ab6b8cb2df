package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.BackendReport;
import org.junit.jupiter.api.Test;

/** A device that cannot give the bits of others is reported as such, and stays usable. */
class DeviceInfoTest {
  private static BackendReport report(boolean roundsCorrectly, boolean keepsDenormals) {
    return new DeviceInfo(
            null,
            "some GPU",
            "1.2",
            1 << 30,
            true,
            true,
            true,
            roundsCorrectly,
            keepsDenormals,
            4,
            2,
            256,
            1024)
        .report();
  }

  @Test
  void reportsWhatTheDeviceLacks() {
    String rounding = "does not round float32 division and square root correctly";
    String denormals = "does not keep float32 denormals";
    assertEquals("the device " + rounding, report(false, true).reason());
    assertEquals("the device " + denormals, report(true, false).reason());
    assertEquals("the device " + rounding + " and " + denormals, report(false, false).reason());
    assertEquals("", report(true, true).reason());
  }

  @Test
  void isBitExactOnlyWithBoth() {
    for (boolean rounds : new boolean[] {false, true}) {
      for (boolean keeps : new boolean[] {false, true}) {
        assertEquals(rounds && keeps, report(rounds, keeps).bitExact());
        assertTrue(report(rounds, keeps).usable());
      }
    }
  }
}
