package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.Garbage;
import io.warmstep.testkit.LoggedWarnings;
import java.util.Arrays;
import java.util.List;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

/** A sharded optimizer leaves nothing open of what it has opened for itself. */
class ShardedLeakTest {
  /** What was never closed and was opened in a method of this class. */
  private static List<String> openedIn(String method, LoggedWarnings logged) {
    return logged.records().stream()
        .filter(one -> one.getThrown() != null)
        .filter(
            one ->
                Arrays.stream(one.getThrown().getStackTrace())
                    .anyMatch(
                        frame ->
                            frame.getClassName().equals(ShardedLeakTest.class.getName())
                                && frame.getMethodName().equals(method)))
        .map(LogRecord::getMessage)
        .sorted()
        .toList();
  }

  private static OptimizerBuilder of(Parameters parameters) {
    return Optimizer.of(parameters).rule(Adam.adam()).learningRate(1);
  }

  private static void leak() {
    Device device = Devices.cpu(1);
    Parameters parameters = Parameters.on(device).add("w", new float[3]).build();
    of(parameters).sharded(Collectives.inProcess(1).get(0)).build().step();
  }

  private static void growAndClose() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
        Parameters more = Parameters.on(device).add("v", new float[5]).build();
        ShardedOptimizer optimizer =
            of(parameters).sharded(Collectives.inProcess(1).get(0)).build()) {
      optimizer.step();
      assertThrows(
          IllegalArgumentException.class,
          () ->
              optimizer.groups().add(more, ParameterGroup.matching("v").learningRateFactor(1e300)));
      optimizer.groups().add(more);
      optimizer.groups().freeze("*");
    }
  }

  /** Wherever in it the transport fails, as one of a vendor may. */
  private static void buildInVain() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[9000]).build()) {
      int failures = 0;
      for (boolean isBuilt = false; !isBuilt; ) {
        RuntimeException failure = new IllegalStateException("the transport fails");
        FailingCollective collective = new FailingCollective(failures, failure);
        try (ShardedOptimizer optimizer = of(parameters).sharded(collective.endpoint()).build()) {
          isBuilt = optimizer.stepCount() == 0;
        } catch (IllegalStateException e) {
          assertSame(failure, e);
          failures++;
        }
      }
      assertTrue(failures > 5, failures + " failures");
    }
  }

  @Test
  void nothingIsLeftOpen() {
    Garbage.collect(); // what others have left
    try (LoggedWarnings logged = new LoggedWarnings()) {
      growAndClose();
      buildInVain();
      leak(); // when these are reported, collection has come past those
      Garbage.collectUntil(() -> openedIn("leak", logged).size() >= 5);
      Garbage.collect();
      assertEquals(
          List.of(
              "device cpu was never closed",
              "optimizer was never closed",
              "parameter set was never closed",
              "parameter set was never closed",
              "sharded optimizer was never closed"),
          openedIn("leak", logged));
      assertEquals(List.of(), openedIn("growAndClose", logged));
      assertEquals(List.of(), openedIn("buildInVain", logged));
    }
  }
}
