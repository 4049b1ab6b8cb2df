package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.Memory;
import io.warmstep.backend.Operand;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.testkit.LoggedWarnings;
import io.warmstep.testkit.Proxies;
import io.warmstep.testkit.WrongDevice;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.LongUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** An accelerator is chosen if it computes what it should, and otherwise skipped. */
class DeviceSelectorTest {
  private static final CpuBackend CPU = new CpuBackend();

  /** The processor under another name, whose steps may end with a mistake. */
  private static final class Fake implements Backend {
    private final boolean isAccelerator;
    private final boolean bitExact;
    private final Consumer<StepPlan> mistake;
    private int opened;
    private int closed;
    private RuntimeException closeFailure;
    private DeviceOptions asked;
    private RuntimeException failure;

    Fake(boolean isAccelerator, float error) {
      this(isAccelerator, error, true);
    }

    /** With the last parameter off after each step by a relative error. */
    Fake(boolean isAccelerator, float error, boolean bitExact) {
      this(isAccelerator, bitExact, plan -> change(plan, error, bitExact));
    }

    Fake(boolean isAccelerator, boolean bitExact, Consumer<StepPlan> mistake) {
      this.isAccelerator = isAccelerator;
      this.bitExact = bitExact;
      this.mistake = mistake;
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
      BackendDevice device = CPU.open(new DeviceOptions(-1, 1));
      return Proxies.of(
          BackendDevice.class,
          (proxy, method, arguments) -> {
            if (method.getName().equals("close")) {
              closed++;
              if (closeFailure != null) {
                throw closeFailure;
              }
            }
            return Proxies.invoke(new WrongDevice(device, report(), mistake), method, arguments);
          });
    }

    private static void change(StepPlan plan, float error, boolean bitExact) {
      Memory values = first(plan).values().memory();
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
    DeviceSelector selector = new DeviceSelector(List.of(new Fake(true, 0), CPU));
    try (Device device = selector.fastest()) {
      assertEquals("fake", device.name());
    }
    assertTrue(selector.report().get(0).bitExact());
    try (Device device = selector.fastest()) {
      assertEquals("fake", device.name(), "without another test");
    }
  }

  @Test
  void aWrongOneIsTestedOnceReportedAndSkipped() {
    Fake fake = new Fake(true, 1e-3f);
    DeviceSelector selector = new DeviceSelector(List.of(fake, CPU));
    try (LoggedWarnings log = new LoggedWarnings()) {
      for (int i = 0; i < 2; i++) {
        try (Device device = selector.fastest()) {
          assertEquals("cpu", device.name());
        }
      }
      assertEquals(
          List.of("fake is skipped: " + selector.report().get(0).reason()), ofFake(log), "once");
    }
    assertEquals(1, fake.opened);
    assertEquals(1, fake.closed);
    DeviceReport report = selector.report().get(0);
    assertFalse(report.bitExact());
    assertTrue(report.reason().startsWith("self-test of adam in float32 gave "), report.reason());
    assertTrue(report.reason().endsWith("update the device's driver"), report.reason());
  }

  /** Beside what is said of objects that other tests have lost. */
  private static List<String> ofFake(LoggedWarnings log) {
    return log.messages().stream().filter(message -> message.contains("fake")).toList();
  }

  /** The preferred one of a backend's devices is tested. */
  @Test
  void theListNamesTheOneThatFailed() {
    DeviceSelector selector = new DeviceSelector(List.of(new Fake(true, 1e-3f), CPU));
    selector.fastest().close();
    List<DeviceReport> all = selector.all();
    assertTrue(all.get(0).reason().startsWith("self-test of "), all.get(0).reason());
    assertEquals("it is old", all.get(1).reason());
    assertEquals("", all.get(2).reason());
  }

  @Test
  void oneWhoseStepsFailIsSkipped() {
    Fake fake =
        new Fake(
            true,
            true,
            plan -> {
              throw new DeviceException("no step", null);
            });
    fake.closeFailure = new DeviceException("no end", null);
    DeviceSelector selector = new DeviceSelector(List.of(fake, CPU));
    try (LoggedWarnings log = new LoggedWarnings();
        Device device = selector.fastest()) {
      assertEquals("cpu", device.name());
      assertEquals(
          List.of(
              "fake is skipped: self-test of adam in float32 failed: no step",
              "closing fake: no end"),
          ofFake(log));
    }
    assertEquals("self-test of adam in float32 failed: no step", selector.report().get(0).reason());
  }

  private static StepPlan.Entry first(StepPlan plan) {
    return plan.groups().get(0).entries().get(0);
  }

  /** Mistakes that a driver or a card may make, by what they are about. */
  static Map<String, Consumer<StepPlan>> mistakes() {
    Map<String, Consumer<StepPlan>> mistakes = new TreeMap<>();
    for (ElementType type : ElementType.values()) {
      long exponent = exponent(type);
      mistakes.put(
          type + ", subnormal results are 0",
          plan -> change(plan, type, x -> (x & exponent) == 0 ? x & sign(type) : x));
      mistakes.put(
          type + ", NaN is 0", plan -> change(plan, type, x -> isNan(x, exponent) ? 0 : x));
      mistakes.put(type + ", the last value is off by a bit", plan -> changeLast(plan, type));
      mistakes.put(type + ", values below -1 are off by a bit", plan -> changeLow(plan, type));
    }
    mistakes.put("float32, NaN of a gradient is 0", DeviceSelectorTest::clearState);
    for (String rule : List.of("adam", "lamb", "muon", "adafactor", "prodigy")) {
      mistakes.put(
          rule,
          plan -> {
            if (plan.groups().get(0).rule().name().equals(rule)) {
              changeLast(plan, ElementType.FLOAT32);
            }
          });
    }
    mistakes.put(
        "clipping",
        plan -> {
          if (plan.options().clipsByNorm()) {
            changeLast(plan, ElementType.FLOAT32);
          }
        });
    return mistakes;
  }

  static Set<String> kindsOfMistakes() {
    return mistakes().keySet();
  }

  @ParameterizedTest
  @MethodSource("kindsOfMistakes")
  void everyMistakeIsFound(String kind) {
    Fake fake = new Fake(true, true, mistakes().get(kind));
    DeviceSelector selector = new DeviceSelector(List.of(fake, CPU));
    try (Device device = selector.fastest()) {
      assertEquals("cpu", device.name());
    }
    String reason = selector.report().get(0).reason();
    String about = kind.replaceFirst(",.*", "").replace("clipping", "adam");
    assertTrue(reason.matches("self-test of .*\\b" + about + "\\b.* gave .*"), reason);
  }

  private static void change(StepPlan plan, ElementType type, LongUnaryOperator mistake) {
    for (Operand operand : first(plan).operands()) {
      Memory memory = operand.slice().memory();
      if (memory.type() == type) {
        for (long i = 0; i < memory.length(); i++) {
          change(memory, i, mistake);
        }
      }
    }
  }

  private static void clearState(StepPlan plan) {
    for (Operand operand : first(plan).operands()) {
      Memory memory = operand.slice().memory();
      if (memory.type() == ElementType.FLOAT32 && memory != first(plan).values().memory()) {
        for (long i = 0; i < memory.length(); i++) {
          change(memory, i, x -> isNan(x, exponent(ElementType.FLOAT32)) ? 0 : x);
        }
      }
    }
  }

  private static void changeLast(StepPlan plan, ElementType type) {
    Memory values = first(plan).values().memory();
    if (values.type() == type) {
      change(values, values.length() - 1, bits -> bits + 1);
    }
  }

  /** Finite numbers of either sign are among the values to step, not only small ones. */
  private static void changeLow(StepPlan plan, ElementType type) {
    Memory values = first(plan).values().memory();
    if (values.type() == type) {
      long one = exponent(type) >> 1 & exponent(type); // the exponent of 1, or half of it
      for (long i = 0; i < values.length(); i++) {
        change(
            values,
            i,
            bits -> {
              boolean isLow = (bits & sign(type)) != 0 && (bits & exponent(type)) > one;
              return isLow && (bits & exponent(type)) != exponent(type) ? bits ^ 1 : bits;
            });
      }
    }
  }

  private static void change(Memory memory, long at, LongUnaryOperator mistake) {
    Object array = memory.storage().newArray(1);
    memory.read(at, array, 0, 1);
    if (array instanceof short[] half) {
      half[0] = (short) mistake.applyAsLong(half[0] & 0xffff);
    } else if (array instanceof float[] single) {
      int bits = Float.floatToRawIntBits(single[0]);
      single[0] = Float.intBitsToFloat((int) mistake.applyAsLong(Integer.toUnsignedLong(bits)));
    } else {
      double[] twice = (double[]) array;
      long bits = Double.doubleToRawLongBits(twice[0]);
      twice[0] = Double.longBitsToDouble(mistake.applyAsLong(bits));
    }
    memory.write(at, array, 0, 1);
  }

  private static long exponent(ElementType type) {
    return switch (type) {
      case FLOAT16 -> 0x7c00;
      case BFLOAT16 -> 0x7f80;
      case FLOAT32 -> 0x7f800000;
      case FLOAT64 -> 0x7ff0000000000000L;
    };
  }

  private static long sign(ElementType type) {
    return 1L << (Byte.SIZE * type.bytes() - 1);
  }

  private static boolean isNan(long bits, long exponent) {
    long mantissa = Long.lowestOneBit(exponent) - 1;
    return (bits & exponent) == exponent && (bits & mantissa) != 0;
  }

  @Test
  void oneThatCannotBeOpenedIsSkippedAndTriedAgain() {
    Fake fake = new Fake(true, 0);
    fake.failure = new DeviceException("held by another program", null);
    DeviceSelector selector = new DeviceSelector(List.of(fake, CPU));
    try (Device device = selector.fastest()) {
      assertEquals("cpu", device.name());
    }
    assertEquals("cannot be opened: held by another program", selector.report().get(0).reason());
    fake.failure = null;
    try (Device device = selector.fastest()) {
      assertEquals("fake", device.name());
    }
    assertEquals("", selector.report().get(0).reason());
    assertEquals(1, fake.opened, "the device that was tested is the one that is used");
  }

  @Test
  void oneThatDoesNotClaimExactResultsMayBeOffByLittle() {
    assertEquals("fake", chosen(new Fake(true, 1e-6f, false)));
    assertEquals("cpu", chosen(new Fake(true, 1e-6f, true)));
    assertEquals("cpu", chosen(new Fake(true, 0.1f, false)));
  }

  /** What is rounded to the next number in each of two steps is right, and no more. */
  @ParameterizedTest
  @CsvSource({
    "FLOAT16, 4, 0x1p-8, 2",
    "FLOAT16, 0, 0x1p-24, 2",
    "BFLOAT16, 4, 0x1p-5, 2",
    "BFLOAT16, 0, 0x1p-126, 1", // of all types but float16 the least normal number
    "FLOAT32, 0, 0x1p-126, 1",
    "FLOAT32, 4, 0x1p-21, 800",
    "FLOAT64, 4, 0x1p-21, 800"
  })
  void howMuchItMayBeOff(ElementType type, double right, double next, int most) {
    for (int sign = -1; sign <= 1; sign += 2) {
      double expected = sign * right;
      assertTrue(SelfTest.isRight(expected + most * next, expected, type, false));
      assertTrue(SelfTest.isRight(expected - most * next, expected, type, false));
      double more = most + 1 + most / 20;
      assertFalse(SelfTest.isRight(expected + more * next, expected, type, false));
      assertFalse(SelfTest.isRight(expected - more * next, expected, type, false));
      assertFalse(SelfTest.isRight(expected + most * next, expected, type, true));
      assertTrue(SelfTest.isRight(expected, expected, type, true));
    }
    assertTrue(SelfTest.isRight(Double.NaN, Double.NaN, type, true));
    assertFalse(SelfTest.isRight(Double.NaN, right, type, false));
    assertFalse(SelfTest.isRight(right, Double.NaN, type, false));
  }

  private static String chosen(Fake fake) {
    try (Device device = new DeviceSelector(List.of(fake, CPU)).fastest()) {
      return device.name();
    }
  }

  @Test
  void driversOnTheProcessorAreLeftToThoseWhoNameIt() {
    Fake fake = new Fake(false, 0);
    DeviceSelector selector = new DeviceSelector(List.of(fake, CPU));
    try (Device device = selector.fastest()) {
      assertEquals("cpu", device.name());
    }
    assertEquals(0, fake.opened);
    assertEquals("fake", selector.backend("fake").name());
  }

  @Test
  void devicesAreNamedByBackendAndIndex() {
    Fake fake = new Fake(false, 0);
    DeviceSelector selector = new DeviceSelector(List.of(CPU, fake));
    assertEquals(
        List.of("fake:0", "fake:1", "cpu:0"),
        selector.all().stream().map(DeviceReport::name).toList());
    for (DeviceReport report : selector.all()) {
      selector.require(report.name()).close();
    }
    assertEquals(DeviceOptions.of(1), fake.asked);
    selector.require("fake").close();
    assertEquals(DeviceOptions.PREFERRED, fake.asked);
    selector.require("fake:gpu-a2").close();
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
        ":0       | there is no backend '': this version has fake, cpu",
        "fak:0    | there is no backend 'fak': this version has fake, cpu",
        "cpu:1    | there is no device cpu:1: this machine has cpu:0",
      })
  void wrongNamesAreExplained(String name, String expected) {
    DeviceSelector selector = new DeviceSelector(List.of(CPU, new Fake(false, 0)));
    RuntimeException e = assertThrows(RuntimeException.class, () -> selector.require(name));
    assertTrue(e.getMessage().startsWith(expected), e.getMessage());
    assertTrue(e instanceof BackendUnavailableException || e instanceof IllegalArgumentException);
  }

  @Test
  void withoutBackendsThePackagingIsToBlame() {
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> new DeviceSelector(List.of()));
    assertTrue(e.getMessage().contains("META-INF/services/io.warmstep.backend.Backend"));
  }

  @Test
  void theLibrarysOwnAreFound() {
    assertEquals(
        List.of("cuda", "opencl", "cpu"),
        Devices.report().stream().map(DeviceReport::backend).toList());
    assertTrue(Devices.all().stream().anyMatch(report -> report.name().equals("cpu:0")));
    try (Device device = Devices.fastest()) {
      assertTrue(device.supports(ElementType.FLOAT32));
    }
  }
}
