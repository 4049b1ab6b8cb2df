package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.testkit.WrongDevice;
import java.util.List;
import org.junit.jupiter.api.Test;

/** An accelerator is chosen if it computes what it should, and otherwise passed over. */
class DeviceChoiceTest {
  private static final CpuBackend CPU = new CpuBackend();

  /**
   * The processor under another name, with the last parameter off after each step by a relative
   * error.
   */
  private static final class Fake implements Backend {
    private final boolean isAccelerator;
    private final float error;
    private final boolean bitExact;
    private int opened;
    private RuntimeException failure;

    Fake(boolean isAccelerator, float error) {
      this(isAccelerator, error, true);
    }

    Fake(boolean isAccelerator, float error, boolean bitExact) {
      this.isAccelerator = isAccelerator;
      this.error = error;
      this.bitExact = bitExact;
    }

    @Override
    public String name() {
      return "fake";
    }

    @Override
    public DeviceReport report() {
      return new DeviceReport("fake", true, "a device", "a driver", 1, bitExact, "");
    }

    @Override
    public boolean isAccelerator() {
      return isAccelerator;
    }

    @Override
    public BackendDevice open(int threads) {
      if (failure != null) {
        throw failure;
      }
      opened++;
      return new WrongDevice(CPU.open(1), report(), this::change);
    }

    private void change(MemorySlice first) {
      Memory values = first.memory();
      float[] last = new float[1];
      values.read(values.length() - 1, last, 0, 1);
      last[0] *= 1 + error;
      values.write(values.length() - 1, last, 0, 1);
    }
  }

  @Test
  void aRightAcceleratorIsPreferred() {
    DeviceChoice choice = new DeviceChoice(List.of(new Fake(true, 0), CPU));
    try (Device device = choice.fastest()) {
      assertEquals("fake", device.name());
    }
    assertTrue(choice.report().get(0).bitExact());
  }

  @Test
  void aWrongOneIsTestedOnceReportedAndPassedOver() {
    Fake fake = new Fake(true, 1e-3f);
    DeviceChoice choice = new DeviceChoice(List.of(fake, CPU));
    for (int i = 0; i < 2; i++) {
      try (Device device = choice.fastest()) {
        assertEquals("cpu", device.name());
      }
    }
    assertEquals(1, fake.opened);
    DeviceReport report = choice.report().get(0);
    assertFalse(report.bitExact());
    assertTrue(report.reason().startsWith("self-test of sgd gave "), report.reason());
    assertTrue(report.reason().endsWith("update the device's driver"), report.reason());
  }

  @Test
  void oneThatCannotBeOpenedIsPassedOverAndTriedAgain() {
    Fake fake = new Fake(true, 0);
    fake.failure = new DeviceException("held by another program", null);
    DeviceChoice choice = new DeviceChoice(List.of(fake, CPU));
    try (Device device = choice.fastest()) {
      assertEquals("cpu", device.name());
    }
    assertEquals("cannot be opened: held by another program", choice.report().get(0).reason());
    fake.failure = null;
    try (Device device = choice.fastest()) {
      assertEquals("fake", device.name());
    }
    assertEquals("", choice.report().get(0).reason());
    assertEquals(1, fake.opened, "the device that was tested is the one that is used");
  }

  @Test
  void oneThatDoesNotClaimExactResultsMayBeOffByLittle() {
    assertEquals("fake", chosen(new Fake(true, 1e-6f, false)));
    assertEquals("cpu", chosen(new Fake(true, 1e-6f, true)));
    assertEquals("cpu", chosen(new Fake(true, 0.1f, false)));
  }

  private static String chosen(Fake fake) {
    try (Device device = new DeviceChoice(List.of(fake, CPU)).fastest()) {
      return device.name();
    }
  }

  @Test
  void driversOnTheProcessorAreLeftToThoseWhoNameIt() {
    Fake fake = new Fake(false, 0);
    DeviceChoice choice = new DeviceChoice(List.of(fake, CPU));
    try (Device device = choice.fastest()) {
      assertEquals("cpu", device.name());
    }
    assertEquals(0, fake.opened);
    assertEquals("fake", choice.backend("fake").name());
  }
}
