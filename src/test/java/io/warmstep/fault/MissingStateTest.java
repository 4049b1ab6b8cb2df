package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

/** A run that is continued without its state is warned of, once. */
class MissingStateTest {
  /** Two steps after `startAfter` others, with the state of some parameters asked for before. */
  private static List<String> warnings(UpdateRule rule, long startAfter, String... restored) {
    List<String> messages = new ArrayList<>();
    Logger logger = Logger.getLogger("io.warmstep");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord logged) {
            messages.add(logged.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("a", new float[1]).add("b", new float[1]).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(rule).learningRate(0.1).startAfter(startAfter).build()) {
      for (String name : restored) {
        for (String slot : optimizer.stateNames(name)) {
          optimizer.state(name, slot).copyFrom(new float[] {1});
        }
      }
      optimizer.step();
      optimizer.step();
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
    return messages;
  }

  @Test
  void isWarnedOfOnceByName() {
    List<String> both = warnings(Adam.adam(), 1000);
    assertEquals(1, both.size(), both.toString());
    assertTrue(
        both.get(0).startsWith("this optimizer starts after step 1000, but the state of a, b is"),
        both.get(0));
    List<String> one = warnings(Adam.adam(), 1000, "a");
    assertTrue(one.get(0).contains("the state of b is still the initial one"), one.toString());
  }

  @Test
  void isNotWarnedOfWhereNothingIsMissing() {
    assertEquals(List.of(), warnings(Adam.adam(), 1000, "a", "b"));
    assertEquals(List.of(), warnings(Adam.adam(), 0));
    assertEquals(List.of(), warnings(Sgd.sgd(), 1000));
  }
}
