package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.testkit.Garbage;
import io.warmstep.testkit.LoggedWarnings;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What is collected without having been closed is logged with the place where it was opened, and
 * its threads end.
 */
class LeakReportTest {
  private static final InheritableThreadLocal<Device> INHERITED = new InheritableThreadLocal<>();
  private LoggedWarnings logged;

  @BeforeEach
  void listen() {
    logged = new LoggedWarnings();
  }

  @AfterEach
  void stopListening() {
    logged.close();
  }

  /** Records whose place of opening is a method of this class. */
  private List<LogRecord> from(String method) {
    return logged.records().stream()
        .filter(one -> one.getThrown() != null)
        .filter(
            one ->
                List.of(one.getThrown().getStackTrace()).stream()
                    .anyMatch(
                        frame ->
                            frame.getClassName().equals(LeakReportTest.class.getName())
                                && frame.getMethodName().equals(method)))
        .toList();
  }

  private void collect(String method, int expected) {
    Garbage.collectUntil(() -> from(method).size() >= expected);
  }

  private static void leakAll() {
    Device device = Devices.cpu(1);
    Parameters parameters = Parameters.on(device).add("p", new float[3]).build();
    Optimizer optimizer =
        Optimizer.of(parameters).rule(Lookahead.around(Adam.adam())).learningRate(0.1).build();
    optimizer.step();
    assertEquals(7, device.allocate(ElementType.FLOAT16, 7).length());
  }

  private static void closeAll() {
    float[] values = new float[3];
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .add("owned", new float[3])
                .borrow("borrowed", values, new float[3])
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build()) {
      optimizer.step();
      assertEquals(3, device.borrow(values).length());
    }
  }

  @Test
  void namesWhatLeakedAndWhere() {
    leakAll();
    collect("leakAll", 4);

    assertEquals(
        List.of(
            "device cpu was never closed",
            "optimizer was never closed",
            "parameter set was never closed",
            "tensor of 7 float16 was never closed"),
        from("leakAll").stream().map(LogRecord::getMessage).sorted().toList());
  }

  @Test
  void whatWasClosedIsNotReported() {
    closeAll();
    leakAll(); // when these are reported, collection has come past those
    collect("leakAll", 4);
    Garbage.collect();

    assertTrue(from("leakAll").size() >= 4);
    assertEquals(List.of(), from("closeAll").stream().map(LogRecord::getMessage).toList());
  }

  /** Opens devices and uses their threads; keeps nothing. */
  private static void leakDevices(int count) {
    for (int i = 0; i < count; i++) {
      Device device = Devices.cpu(3);
      Parameters parameters = Parameters.on(device).add("p", ElementType.FLOAT32, 200_000).build();
      Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build().step();
    }
  }

  private static Set<Thread> threads() {
    return new HashSet<>(Thread.getAllStackTraces().keySet());
  }

  /** Workers that were not there before and that go on. */
  private static List<Thread> workersSince(Set<Thread> before) {
    return threads().stream()
        .filter(thread -> thread.getName().startsWith("warmstep-cpu-"))
        .filter(thread -> !before.contains(thread))
        .toList();
  }

  @Test
  void theThreadsOfForgottenDevicesEnd() {
    Set<Thread> before = threads();
    leakDevices(100);
    Garbage.collectUntil(() -> workersSince(before).isEmpty());
    assertEquals(0, workersSince(before).size(), "workers that go on");
    assertEquals(100, from("leakDevices").stream().filter(LeakReportTest::isOfDevice).count());
  }

  private static boolean isOfDevice(LogRecord one) {
    return one.getMessage().equals("device cpu was never closed");
  }

  /** What a thread inherits from the one that opens a device could refer to a device. */
  @Test
  void theThreadsInheritNothingThatKeepsADevice() {
    Set<Thread> before = threads();
    AtomicReference<Device> second = new AtomicReference<>();
    Thread opener =
        new Thread(
            () -> {
              INHERITED.set(Devices.cpu(2));
              second.set(Devices.cpu(3)); // whose workers would inherit the first
            });
    opener.start();
    assertDoesNotThrow(() -> opener.join());
    Garbage.collectUntil(() -> workersSince(before).size() == 2);
    assertEquals(2, workersSince(before).size(), "workers that go on");
    second.get().close();
  }
}
