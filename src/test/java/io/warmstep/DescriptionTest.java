package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
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

  @Test
  void anOptimizerWithoutParameters() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(step -> 1).build()) {
      assertEquals("sgd of 0 parameters, 0 elements, on " + device + ", at step 0", optimizer + "");
    }
  }

  @Test
  void groupsSayWhatDiffers() {
    ParameterGroup group = ParameterGroup.matching("*.bias");
    assertEquals("group *.bias", group.toString());
    assertEquals(
        "group *.bias: learningRateFactor 0.5, weightDecay 0.0, rule " + Adam.adamW(),
        group.learningRateFactor(0.5).weightDecay(0).rule(Adam.adamW()).toString());
    assertEquals("group *.bias: weightDecay 0.01", group.weightDecay(0.01).toString());
  }

  @Test
  void lossScalersSayWhereTheyAre() {
    LossScaler scaler = LossScaler.dynamic();
    scaler.restore(new LossScaler.State(1024, 7));
    assertEquals(
        "loss scaler at 1024.0 (growth 2.0 after 2000 finite steps, 7 so far; backoff 0.5)",
        scaler.toString());
    assertEquals("loss scaler at 8.0 (fixed)", LossScaler.fixed(8).toString());
  }

  @Test
  void timersSayWhatTheyDo() {
    DeviceTimer kept;
    String on;
    try (Device device = Devices.cpu(1);
        DeviceTimer timer = device.timer()) {
      on = "timer on " + device;
      assertEquals(on + ", new", timer.toString());
      timer.start();
      assertEquals(on + ", started", timer.toString());
      timer.stop();
      assertEquals(on + ", stopped", timer.toString());
      kept = timer;
    }
    assertEquals(on + ", stopped", kept.toString(), "closed with its device");
  }
}
