package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.BackendUnavailableException;
import io.warmstep.DeviceReport;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jocl.CL;
import org.junit.jupiter.api.Test;

/**
 * Which devices can be used, which of them is, and what is said of one that cannot give the bits of
 * others.
 */
class DeviceInfoTest {
  private static final long EXACT =
      CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT
          | CL.CL_FP_DENORM
          | CL.CL_FP_ROUND_TO_NEAREST
          | CL.CL_FP_INF_NAN;

  private static DeviceInfo device(
      String name, int gibibytes, boolean isGpu, boolean sharesMemory, long config, String what) {
    return new DeviceInfo(
        null,
        0,
        name,
        "OpenCL 1.2",
        (long) gibibytes << 30,
        isGpu,
        sharesMemory,
        what,
        true,
        config,
        4,
        2,
        256,
        1024);
  }

  private static DeviceReport report(long config) {
    return device("some GPU", 1, true, false, config, "").report();
  }

  @Test
  void notesAnEmulatedFma() {
    assertEquals("", report(EXACT | CL.CL_FP_FMA).note());
    String note = "the device has no fma and emulates it, which is exact but slow";
    assertEquals(note, report(EXACT & ~CL.CL_FP_FMA).note());
    assertEquals(note, report(EXACT | CL.CL_FP_FMA | CL.CL_FP_SOFT_FLOAT).note());
    assertTrue(report(EXACT & ~CL.CL_FP_FMA).bitExact());
  }

  /** Intel's driver for its GPUs prints its name into the version; its buffers end at 4 GiB. */
  @Test
  void onIntelGpusBuffersAbove4GiBAreLarge() {
    long limit = 1L << 32;
    assertFalse(withDriver(true, "OpenCL 3.0 NEO , driver 24.1").isLarge(limit));
    assertTrue(withDriver(true, "OpenCL 3.0 NEO , driver 24.1").isLarge(limit + 1));
    assertFalse(withDriver(false, "OpenCL 3.0 NEO , driver 24.1").isLarge(limit + 1));
    assertFalse(withDriver(true, "OpenCL 3.0 CUDA, driver 580.1").isLarge(limit + 1));
  }

  private static DeviceInfo withDriver(boolean isGpu, String driver) {
    return new DeviceInfo(
        null, 0, "a GPU", driver, 8L << 30, isGpu, false, "", true, EXACT, 4, 2, 256, 1024);
  }

  @Test
  void reportsWhatTheDeviceLacks() {
    String rounding = "does not round float32 division and square root correctly";
    String denormals = "does not keep float32 denormals";
    assertEquals(
        "the device " + rounding, report(EXACT & ~CL.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT).reason());
    assertEquals("the device " + denormals, report(EXACT & ~CL.CL_FP_DENORM).reason());
    assertEquals(
        "the device does not round float32 to nearest",
        report(EXACT & ~CL.CL_FP_ROUND_TO_NEAREST).reason());
    assertEquals(
        "the device has no float32 infinities and NaN", report(EXACT & ~CL.CL_FP_INF_NAN).reason());
    assertEquals(
        "the device " + rounding + " and " + denormals,
        report(CL.CL_FP_ROUND_TO_NEAREST | CL.CL_FP_INF_NAN).reason());
    assertEquals("", report(EXACT).reason());
  }

  @Test
  void isBitExactOnlyWithAll() {
    assertTrue(report(EXACT).bitExact());
    assertTrue(report(EXACT | CL.CL_FP_FMA).bitExact());
    for (long flag = 1; flag <= EXACT; flag <<= 1) {
      if ((EXACT & flag) != 0) {
        assertFalse(report(EXACT & ~flag).bitExact(), "without " + flag);
        assertTrue(report(EXACT & ~flag).usable(), "without " + flag);
      }
    }
  }

  @Test
  void needsOpenCl12AndACompiler() {
    for (String good : new String[] {"OpenCL 1.2", "OpenCL 1.2 CUDA", "OpenCL 3.0 PoCL HSTR"}) {
      assertEquals("", DeviceInfo.problem(good, true, true), good);
    }
    for (String bad : new String[] {"OpenCL 1.0 x", "OpenCL 1.1", "OpenCL", "", "FULL 1.2"}) {
      assertEquals(
          "it has \"" + bad + "\", needs OpenCL 1.2 or later: update its driver",
          DeviceInfo.problem(bad, true, true));
    }
    assertTrue(DeviceInfo.problem("OpenCL 1.2", false, true).contains("not available"));
    assertTrue(DeviceInfo.problem("OpenCL 1.2", true, false).contains("no compiler"));
  }

  @Test
  void prefersGpusWithMemoryOfTheirOwnThenBitsThenMoreMemory() {
    List<DeviceInfo> byPreference =
        List.of(
            device("a large GPU", 80, true, false, EXACT, ""),
            device("a GPU", 8, true, false, EXACT, ""),
            device("a GPU that is not exact", 90, true, false, 0, ""),
            device("a GPU in the processor", 100, true, true, EXACT, ""),
            device("a processor", 200, false, true, EXACT, ""),
            device("an old GPU", 300, true, false, EXACT, "it is old"));
    for (int best = 0; best < byPreference.size() - 1; best++) {
      List<DeviceInfo> left = new ArrayList<>(byPreference.subList(best, byPreference.size()));
      assertSame(byPreference.get(best), OpenClDevices.choose(left, List.of("another: failed")));
      Collections.reverse(left);
      assertSame(byPreference.get(best), OpenClDevices.choose(left, List.of()));
    }
  }

  @Test
  void ofEqualDevicesTheFirstIsTaken() {
    DeviceInfo first = device("first", 8, true, false, EXACT, "");
    DeviceInfo second = device("second", 8, true, false, EXACT, "");
    assertSame(first, OpenClDevices.choose(List.of(first, second), List.of()));
  }

  @Test
  void ifNoneIsUsableAllReasonsAreReported() {
    List<DeviceInfo> found =
        List.of(
            device("an old GPU", 8, true, false, EXACT, "it is old"),
            device("another", 8, true, false, EXACT, "it is broken"));
    assertEquals(
        "no OpenCL device can be used: a driver: failed; an old GPU: it is old; another: it is"
            + " broken",
        assertThrows(
                BackendUnavailableException.class,
                () -> OpenClDevices.choose(found, List.of("a driver: failed")))
            .getMessage());
  }
}
