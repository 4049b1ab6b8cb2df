package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is collected without having been closed is logged with the place where it was opened. */
class LeakReportTest {
  private static final long PATIENCE_MILLIS = 20_000;

  private final Logger logger = Logger.getLogger("io.warmstep");
  private final Queue<LogRecord> records = new ConcurrentLinkedQueue<>();
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord logged) {
          records.add(logged);
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeEach
  void listen() {
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
  }

  @AfterEach
  void stopListening() {
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
  }

  /** Records whose place of opening is a method of this class. */
  private List<LogRecord> from(String method) {
    return records.stream()
        .filter(logged -> logged.getThrown() != null)
        .filter(
            logged ->
                List.of(logged.getThrown().getStackTrace()).stream()
                    .anyMatch(
                        frame ->
                            frame.getClassName().equals(LeakReportTest.class.getName())
                                && frame.getMethodName().equals(method)))
        .toList();
  }

  private void collect(String method, int expected) throws InterruptedException {
    long end = System.currentTimeMillis() + PATIENCE_MILLIS;
    while (from(method).size() < expected && System.currentTimeMillis() < end) {
      System.gc();
      Thread.sleep(20);
    }
  }

  private static void leakAll() {
    Device device = Devices.cpu(1);
    Parameters parameters = Parameters.on(device).add("p", new float[3]).build();
    Optimizer optimizer = Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build();
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
  void namesWhatLeakedAndWhere() throws InterruptedException {
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
  void whatWasClosedIsNotReported() throws InterruptedException {
    closeAll();
    leakAll(); // when these are reported, collection has come past those
    collect("leakAll", 4);
    System.gc();
    Thread.sleep(100);

    assertTrue(from("leakAll").size() >= 4);
    assertEquals(List.of(), from("closeAll").stream().map(LogRecord::getMessage).toList());
  }
}
