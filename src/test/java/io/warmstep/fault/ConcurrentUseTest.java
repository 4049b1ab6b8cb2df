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
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Proxies;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A second call of one optimizer, by another thread or from within the first. */
@Timeout(60)
class ConcurrentUseTest {
  /** What the user's code does within a step; the optimizer is known only once it is built. */
  private Consumer<Optimizer> within;

  private Optimizer optimizer;

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
      assertRefused("accumulate()", optimizer::accumulate);
      assertRefused("capture()", optimizer::capture);
      assertRefused("eval()", optimizer::eval);
      assertRefused("train()", optimizer::train);
      assertRefused("flushReports()", optimizer::flushReports);
      assertRefused("learningRate()", () -> optimizer.learningRate(0.5));
      assertRefused("groups().freeze()", () -> optimizer.groups().freeze("*"));
      assertRefused("save()", () -> save(optimizer));
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

  /** A schedule and a rule are the user's code that a step calls in its own thread. */
  @ParameterizedTest(name = "{0} within a {1}")
  @CsvSource({
    "step(), schedule",
    "step(), rule",
    "zeroGradients(), schedule",
    "zeroGradients(), rule",
    "close(), schedule",
    "close(), rule"
  })
  void aCallFromWithinIsNotBlamedOnAnotherThread(String operation, String caller) {
    within =
        switch (operation) {
          case "step()" -> Optimizer::step;
          case "zeroGradients()" -> Optimizer::zeroGradients;
          default -> Optimizer::close;
        };
    boolean isSchedule = caller.equals("schedule");
    try (Device device = Devices.cpu(2);
        Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
        Optimizer built =
            Optimizer.of(parameters)
                .rule(isSchedule ? Sgd.sgd() : calling(this::callWithin))
                .learningRate(step -> isSchedule ? callWithin() : 0.5)
                .build()) {
      optimizer = built;
      parameters.get("p").gradients().copyFrom(new float[] {1});

      assertEquals(
          operation
              + " was called from within step(), as by a schedule or a rule that it uses: call it"
              + " after step() has returned",
          assertThrows(ConcurrentUseException.class, built::step).getMessage());
      assertEquals(0, built.stepCount());
      assertEquals(1f, parameters.get("p").values().toFloats()[0]);

      within = Optimizer::stepCount; // what only reads may be called
      built.step();
      assertEquals(1, built.stepCount(), "the next one is free again");
      assertEquals(0.5f, parameters.get("p").values().toFloats()[0]);
    }
  }

  private double callWithin() {
    if (optimizer != null) { // build() asks for scalars too, to check their range
      within.accept(optimizer);
    }
    return 0.5;
  }

  /** SGD that calls something when it is asked for the step's scalars. */
  private static UpdateRule calling(Runnable call) {
    return Proxies.of(
        UpdateRule.class,
        (proxy, method, arguments) -> {
          if (method.getName().equals("scalars")) {
            call.run();
          }
          return Proxies.invoke(Sgd.sgd(), method, arguments);
        });
  }

  private static void assertRefused(String operation, Runnable call) {
    assertEquals(
        operation
            + " was called while another thread is in step(): "
            + "use one optimizer from one thread at a time",
        assertThrows(ConcurrentUseException.class, call::run).getMessage());
  }

  private static void save(Optimizer optimizer) {
    try {
      optimizer.save(Path.of("nowhere"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
