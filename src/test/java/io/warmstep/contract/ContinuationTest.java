package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that is continued by another optimizer, and gradients that are scaled. */
class ContinuationTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int LENGTH = 3_001;

  private static float[] numbers(int seed) {
    double[] doubles = Numbers.ordinary(new SplittableRandom(seed), ElementType.FLOAT32, LENGTH);
    float[] floats = new float[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      floats[i] = (float) doubles[i];
    }
    return floats;
  }

  private static OptimizerBuilder adam(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW().amsgrad(true))
        .learningRate(Schedules.cosine(0.1, 20));
  }

  private static void steps(Optimizer optimizer, Parameter parameter, int from, int to) {
    for (int step = from; step <= to; step++) {
      parameter.gradients().copyFrom(numbers(step));
      optimizer.step();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void goesOnWithTheSameBits(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters whole = Parameters.on(device).add("w", numbers(0)).build();
        Parameters parts = Parameters.on(device).add("w", numbers(0)).build();
        Optimizer throughout = adam(whole).build();
        Optimizer first = adam(parts).build()) {
      steps(throughout, whole.get("w"), 1, 9);

      steps(first, parts.get("w"), 1, 4);
      try (Optimizer second = adam(parts).startAfter(first.stepCount()).build()) {
        for (String slot : first.stateNames("w")) {
          second.state("w", slot).copyFrom(first.state("w", slot).toFloats());
        }
        assertEquals(4, second.stepCount());
        steps(second, parts.get("w"), 5, 9);
        assertEquals(9, second.stepCount());
        assertEquals(throughout.learningRate(), second.learningRate());
      }
      assertArrayEquals(
          whole.get("w").values().toFloats(), parts.get("w").values().toFloats(), "values");
    }
  }

  private static void scaledSteps(
      Optimizer optimizer, LossScaler scaler, Parameter parameter, int from, int to) {
    for (int step = from; step <= to; step++) {
      float[] gradients = numbers(step);
      for (int i = 0; i < LENGTH; i++) {
        gradients[i] *= (float) scaler.scale();
      }
      if (step == 5) {
        gradients[17] = Float.NaN;
      }
      parameter.gradients().copyFrom(gradients);
      optimizer.step();
    }
  }

  /** The scale falls in the fifth step and would grow after each third of the others. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void goesOnWithTheLossScalersState(ContractBackend backend) {
    LossScaler scaler = LossScaler.dynamic(3, 1.5, 0.7, 3);
    LossScaler before = LossScaler.dynamic(3, 1.5, 0.7, 3);
    LossScaler after = LossScaler.dynamic(3, 1.5, 0.7, 3);
    try (Device device = backend.open();
        Parameters whole = Parameters.on(device).add("w", numbers(0)).build();
        Parameters parts = Parameters.on(device).add("w", numbers(0)).build();
        Optimizer throughout = adam(whole).lossScaler(scaler).build();
        Optimizer first = adam(parts).lossScaler(before).build()) {
      scaledSteps(throughout, scaler, whole.get("w"), 1, 12);

      scaledSteps(first, before, parts.get("w"), 1, 7);
      assertEquals(2, before.state().finiteSteps());
      after.restore(before.state());
      try (Optimizer second = adam(parts).startAfter(first.stepCount()).lossScaler(after).build()) {
        for (String slot : first.stateNames("w")) {
          second.state("w", slot).copyFrom(first.state("w", slot).toFloats());
        }
        scaledSteps(second, after, parts.get("w"), 8, 12);
        assertEquals(throughout.stepCount(), second.stepCount());
      }
      assertEquals(scaler.state(), after.state());
      assertArrayEquals(
          whole.get("w").values().toFloats(), parts.get("w").values().toFloats(), "values");
    }
  }

  /** A power of two scales exactly, so nothing but the order of the operations can differ. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void scalesBeforeItClips(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters plain = Parameters.on(device).add("w", numbers(0)).build();
        Parameters scaled = Parameters.on(device).add("w", numbers(0)).build();
        Parameters both = Parameters.on(device).add("w", numbers(0)).build();
        Optimizer asItIs = adam(plain).clipNorm(2).clipValue(0.25).build();
        Optimizer byAQuarter =
            adam(scaled).clipNorm(2).clipValue(0.25).gradientScale(0.25).build();
        Optimizer byAQuarterAndScaler =
            adam(both)
                .clipNorm(2)
                .clipValue(0.25)
                .gradientScale(0.25)
                .lossScaler(LossScaler.fixed(8))
                .build()) {
      float[] times4 = numbers(1);
      float[] times32 = numbers(1);
      for (int i = 0; i < LENGTH; i++) {
        times4[i] *= 4;
        times32[i] *= 32;
      }
      plain.get("w").gradients().copyFrom(numbers(1));
      scaled.get("w").gradients().copyFrom(times4);
      both.get("w").gradients().copyFrom(times32);
      asItIs.step();
      byAQuarter.step();
      byAQuarterAndScaler.step();
      float[] expected = plain.get("w").values().toFloats();
      assertArrayEquals(expected, scaled.get("w").values().toFloats());
      assertArrayEquals(expected, both.get("w").values().toFloats());
      assertEquals(asItIs.gradientNorm(), byAQuarter.gradientNorm());
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e-40, 1e39})
  void refusesAScaleOutOfRange(double factor) {
    ContractBackend backend = ContractBackend.all().get(0);
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("w", numbers(0)).build()) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> adam(parameters).gradientScale(factor))
              .getMessage();
      assertTrue(message.startsWith("gradientScale is " + factor), message);
      message =
          assertThrows(IllegalArgumentException.class, () -> adam(parameters).startAfter(-1))
              .getMessage();
      assertTrue(message.startsWith("stepCount is -1"), message);
    }
  }
}
