package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Annealing;
import io.warmstep.schedule.OneCycle;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The momentum of {@code torch.optim.lr_scheduler.OneCycleLR} of PyTorch 1.13.1, and what its
 * optimizers make of it.
 */
class OneCycleMomentumTest {
  private static final double TOLERANCE = 1e-12;

  static Stream<Arguments> cycles() {
    return Stream.of(
        Arguments.of(
            false,
            Annealing.COSINE,
            new double[] {
              0.9,
              0.875,
              0.8250000000000001,
              0.8,
              0.8066987298107781,
              0.8250000000000001,
              0.8500000000000001,
              0.875,
              0.893301270189222,
              0.9
            }),
        Arguments.of(
            false,
            Annealing.LINEAR,
            new double[] {
              0.9, 0.8666666666666667, 0.8333333333333334, 0.8, 0.8166666666666667,
              0.8333333333333334, 0.8500000000000001, 0.8666666666666667, 0.8833333333333333, 0.9
            }),
        Arguments.of(
            true,
            Annealing.COSINE,
            new double[] {0.9, 0.875, 0.8250000000000001, 0.8, 0.825, 0.875, 0.9, 0.9, 0.9, 0.9}),
        Arguments.of(
            true,
            Annealing.LINEAR,
            new double[] {
              0.9, 0.8666666666666667, 0.8333333333333334, 0.8, 0.8333333333333334,
              0.8666666666666667, 0.9, 0.9, 0.9, 0.9
            }));
  }

  /** Of {@code total_steps=10, pct_start=0.4, base_momentum=0.8, max_momentum=0.9}. */
  @ParameterizedTest(name = "three phases: {0}, {1}")
  @MethodSource("cycles")
  void itIsPyTorchs(boolean threePhase, Annealing annealing, double[] expected) {
    OneCycle cycle =
        Schedules.oneCycle(0.1, 10).pctStart(0.4).annealing(annealing).threePhase(threePhase);
    Schedule momentum = cycle.momentum(0.8, 0.9);
    for (int t = 0; t < expected.length; t++) {
      assertEquals(expected[t], momentum.rate(t + 1), TOLERANCE, "step " + (t + 1));
    }
    assertEquals(0.9, momentum.rate(1000));
  }

  static Stream<Arguments> optimizers() {
    return Stream.of(
        Arguments.of(
            Adam.adamW(),
            "beta1",
            new double[] {0.8295272032602119, -2.045621456393663, 0.5521425627840387}),
        Arguments.of(
            Momentum.nesterov(0.9).weightDecay(0.1),
            "momentum",
            new double[] {0.3016133441360491, -1.8107458055345735, 0.6334239296727638}),
        Arguments.of(
            RmsProp.rmsProp().momentum(0.9),
            "momentum",
            new double[] {-3.1377050490622116, -5.168760932372798, 2.8251584347922947}));
  }

  /** Of {@code OneCycleLR(optimizer, max_lr=0.1, total_steps=12)} after its 12 steps. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("optimizers")
  void stepsUnderItArePyTorchs(UpdateRule rule, String name, double[] expected) {
    OneCycle cycle = Schedules.oneCycle(0.1, 12);
    double[] values = {1, -2, 0.5};
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("p", values).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(cycle)
                .schedule(name, cycle.momentum())
                .build()) {
      for (int t = 1; t <= 12; t++) {
        double[] gradients = new double[3];
        for (int i = 0; i < 3; i++) {
          gradients[i] = ((t * 7 + i * 3) % 11 - 5) / 4.0;
        }
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
      }
      double[] actual = parameters.get("p").values().toDoubles();
      for (int i = 0; i < 3; i++) {
        assertEquals(expected[i], actual[i], TOLERANCE * Math.abs(expected[i]), "element " + i);
      }
    }
  }

  @Test
  void boundsAreChecked() {
    OneCycle cycle = Schedules.oneCycle(0.1, 10);
    assertEquals(
        "max is 1.0, must be in [0, 1): pass a momentum such as 0.95",
        assertThrows(IllegalArgumentException.class, () -> cycle.momentum(0.5, 1)).getMessage());
    assertEquals(
        "base is 0.9, must be in [0, max]: pass a momentum such as 0.85",
        assertThrows(IllegalArgumentException.class, () -> cycle.momentum(0.9, 0.8)).getMessage());
    assertThrows(IllegalArgumentException.class, () -> cycle.momentum().rate(0));
  }
}
