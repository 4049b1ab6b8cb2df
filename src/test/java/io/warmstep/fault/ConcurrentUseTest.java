package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ConcurrentUseException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Sgd;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A second thread in one optimizer. */
@Timeout(60)
class ConcurrentUseTest {
  @Test
  void isRefusedAndChangesNothing() throws InterruptedException {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    try (Device device = Devices.cpu(2);
        Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(step -> blockingRate(inside, goOn))
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {1});
      Thread first = new Thread(optimizer::step);
      first.start();
      assertTrue(inside.await(20, TimeUnit.SECONDS));

      assertRefused("step()", optimizer::step);
      assertRefused("zeroGradients()", optimizer::zeroGradients);
      assertRefused("close()", optimizer::close);
      assertEquals(0, optimizer.stepCount());
      assertEquals(1f, parameters.get("p").values().toFloats()[0]);
      assertEquals(1f, parameters.get("p").gradients().toFloats()[0]);

      goOn.countDown();
      first.join(20_000);
      assertFalse(first.isAlive());
      assertEquals(1, optimizer.stepCount(), "the first thread's step happened");
      assertEquals(0.5f, parameters.get("p").values().toFloats()[0]);
      optimizer.step();
      assertEquals(2, optimizer.stepCount(), "and the next one is free again");
    }
  }

  private static void assertRefused(String operation, Runnable call) {
    assertEquals(
        operation
            + " was called while another thread is in step(): "
            + "use one optimizer from one thread at a time",
        assertThrows(ConcurrentUseException.class, call::run).getMessage());
  }

  private static double blockingRate(CountDownLatch inside, CountDownLatch goOn) {
    inside.countDown();
    try {
      assertTrue(goOn.await(20, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return 0.5;
  }
}
