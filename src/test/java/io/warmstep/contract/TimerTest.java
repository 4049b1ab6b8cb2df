package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import io.warmstep.testkit.ContractBackend;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Device timers measure once started and stopped, again and again. */
class TimerTest {
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void measures(ContractBackend backend) {
    try (Device device = backend.open();
        Tensor tensor = device.allocate(ElementType.FLOAT32, 1 << 20)) {
      DeviceTimer timer = device.timer();
      assertThrows(IllegalStateException.class, timer::stop);
      assertThrows(IllegalStateException.class, timer::millis);
      for (int i = 0; i < 3; i++) {
        timer.start();
        long begin = System.nanoTime();
        tensor.zero();
        assertThrows(IllegalStateException.class, timer::millis);
        timer.stop();
        double millis = timer.millis();
        assertTrue(millis > 0, millis + " ms");
        assertTrue(millis <= (System.nanoTime() - begin) / 1e6 + 1000, millis + " ms");
        assertThrows(IllegalStateException.class, timer::stop);
      }
      timer.close();
      assertThrows(ClosedException.class, timer::start);
    }
  }
}
