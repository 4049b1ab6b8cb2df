package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.testkit.WrongDevice;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An accelerator is chosen if it computes what it should, and otherwise skipped. */
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
    private DeviceOptions asked;
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
      return new DeviceReport(
          "fake", 0, true, "a device", "a driver", 1, bitExact, "", "GPU-a1", "");
    }

    @Override
    public int preference() {
      return 1;
    }

    @Override
    public List<DeviceReport> devices() {
      return List.of(
          report(),
          new DeviceReport("fake", 1, false, "another", "", 0, false, "it is old", "GPU-a2", ""));
    }

    @Override
    public boolean isAccelerator() {
      return isAccelerator;
    }

    @Override
    public BackendDevice open(DeviceOptions options) {
      asked = options;
      if (failure != null) {
        throw failure;
      }
      opened++;
      return new WrongDevice(CPU.open(new DeviceOptions(-1, 1)), report(), this::change);
    }

    private void change(MemorySlice first) {
      Memory values = first.memory();
      if (values.type().isHalf() && error > 0 && !bitExact) {
        short[] bits = new short[1]; // as of a result that is rounded the other way
        values.read(values.length() - 1, bits, 0, 1);
        bits[0]++;
        values.write(values.length() - 1, bits, 0, 1);
      }
      if (values.type() != ElementType.FLOAT32) {
        return;
      }
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
  void aWrongOneIsTestedOnceReportedAndSkipped() {
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
    assertTrue(report.reason().startsWith("self-test of adam in float32 gave "), report.reason());
    assertTrue(report.reason().endsWith("update the device's driver"), report.reason());
  }

  @Test
  void oneThatCannotBeOpenedIsSkippedAndTriedAgain() {
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

  @Test
  void devicesAreNamedByBackendAndIndex() {
    Fake fake = new Fake(false, 0);
    DeviceChoice choice = new DeviceChoice(List.of(CPU, fake));
    assertEquals(
        List.of("fake:0", "fake:1", "cpu:0"),
        choice.all().stream().map(DeviceReport::name).toList());
    for (DeviceReport report : choice.all()) {
      choice.require(report.name()).close();
    }
    assertEquals(DeviceOptions.of(1), fake.asked);
    choice.require("fake").close();
    assertEquals(DeviceOptions.PREFERRED, fake.asked);
    choice.require("fake:gpu-a2").close();
    assertEquals(DeviceOptions.of(1), fake.asked);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "fake:    | device is 'fake:', must be a backend and the number or the UUID of a device",
        "fake:-1  | device is 'fake:-1', must be a backend and the number or the UUID of a device",
        "fake:one | device is 'fake:one', must be a backend and the number or the UUID",
        "cpu:     | device is 'cpu:', must be a backend and the number or the UUID of a device",
        "fake:GPU | device is 'fake:GPU', which is how the UUIDs of several begin: GPU-a1, GPU-a2",
        "fak:0    | there is no backend 'fak': this version has fake, cpu",
        "cpu:1    | there is no device cpu:1: this machine has cpu:0",
      })
  void wrongNamesAreExplained(String name, String expected) {
    DeviceChoice choice = new DeviceChoice(List.of(CPU, new Fake(false, 0)));
    RuntimeException e = assertThrows(RuntimeException.class, () -> choice.require(name));
    assertTrue(e.getMessage().startsWith(expected), e.getMessage());
    assertTrue(e instanceof BackendUnavailableException || e instanceof IllegalArgumentException);
  }

  @Test
  void withoutBackendsThePackagingIsToBlame() {
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> new DeviceChoice(List.of()));
    assertTrue(e.getMessage().contains("META-INF/services/io.warmstep.backend.Backend"));
  }

  @Test
  void theLibrarysOwnAreFound() {
    assertEquals(
        List.of("cuda", "opencl", "cpu"),
        Devices.report().stream().map(DeviceReport::backend).toList());
    assertTrue(Devices.all().stream().anyMatch(report -> report.name().equals("cpu:0")));
  }
}
