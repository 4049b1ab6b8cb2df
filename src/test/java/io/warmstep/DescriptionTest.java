package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedules;
import org.junit.jupiter.api.Test;

/** What a log or a debugger shows of the objects that a user holds. */
class DescriptionTest {
  @Test
  void sayWhatTheyHoldAndWhere() {
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("w", new float[6]).add("b", new double[2]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(Schedules.constant(0.5))
                .build()) {
      String held = "2 parameters, 8 elements, on " + device;
      assertEquals(held, parameters.toString());
      optimizer.step();
      assertEquals(
          "adam of " + held + ", at step 1, " + Schedules.constant(0.5), optimizer.toString());
      assertEquals("tensor of 6 float32 on " + device, parameters.get("w").values().toString());
    }
  }
}
