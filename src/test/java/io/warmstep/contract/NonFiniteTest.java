package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps with NaN or infinite gradients: skipped on request or with a loss scaler. */
public class NonFiniteTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final float[] VALUES = {1, 2, 3};
  private static final float[] FINITE = {0.5f, -1, 2};

  /** Elements of a matrix. */
  private static final int MATRIX = 48;

  private static Parameters parameters(Device device) {
    return Parameters.on(device).add("p", VALUES).build();
  }

  private static void gradients(Parameters parameters, float... gradients) {
    parameters.get("p").gradients().copyFrom(gradients);
  }

  private static float[] values(Parameters parameters) {
    return parameters.get("p").values().toFloats();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void propagateUnlessAskedNotTo(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device);
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.5).build()) {
      gradients(parameters, Float.NaN, 1, Float.POSITIVE_INFINITY);
      optimizer.step();
      assertArrayEquals(new float[] {Float.NaN, 1.5f, Float.NEGATIVE_INFINITY}, values(parameters));
      assertEquals(1, optimizer.stepCount());
      assertEquals(0, optimizer.skippedSteps());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aSkippedStepChangesNothingAndIsNotCounted(ContractBackend backend) {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      try (Device device = backend.open();
          Parameters parameters = parameters(device);
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Adam.adamW())
                  .learningRate(step -> 0.1 / step)
                  .skipNonFinite(true)
                  .build()) {
        gradients(parameters, FINITE);
        optimizer.step();
        final float[] after = values(parameters);
        final double[] m = optimizer.state("p", "exp_avg").toDoubles();
        final double[] v = optimizer.state("p", "exp_avg_sq").toDoubles();
        gradients(parameters, 1, bad, 1);
        optimizer.step();

        assertArrayEquals(after, values(parameters));
        assertArrayEquals(m, optimizer.state("p", "exp_avg").toDoubles());
        assertArrayEquals(v, optimizer.state("p", "exp_avg_sq").toDoubles());
        assertArrayEquals(new float[] {1, bad, 1}, parameters.get("p").gradients().toFloats());
        assertEquals(1, optimizer.stepCount());
        assertEquals(1, optimizer.skippedSteps());
        assertEquals(0.1, optimizer.learningRate());
        gradients(parameters, FINITE);
        optimizer.step();
        assertEquals(0.05, optimizer.learningRate(), "the schedule did not advance");
        assertEquals(2, optimizer.stepCount());
      }
    }
  }

  /** Also what rules keep beside tensors: the steps that follow would show a change of it. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void noRuleNoticesSkippedSteps(ContractBackend backend) {
    RuleMatrix.keepers().forEach(rule -> skips(backend.shared(), rule));
  }

  private static void skips(Device device, UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(1);
    try (Device cpu = Devices.cpu(1);
        Parameters some = matrices(device);
        Parameters others = matrices(cpu);
        Optimizer skipping = skipping(some, rule);
        Optimizer twin = skipping(others, rule)) {
      for (int call = 1; call <= 9; call++) {
        double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, MATRIX);
        if (call == 1 || call == 4 || call == 5 || call == 8) {
          gradients[call] = call == 4 ? Double.NEGATIVE_INFINITY : Double.NaN;
          some.get("m").gradients().copyFrom(gradients);
          skipping.step();
          assertTrue(skipping.isLastStepSkipped(), rule::toString);
        } else {
          some.get("m").gradients().copyFrom(gradients);
          others.get("m").gradients().copyFrom(gradients);
          skipping.step();
          twin.step();
        }
        assertEquals(twin.stepCount(), skipping.stepCount());
        String where = rule + " at call " + call;
        Bits.assertSame(
            others.get("m").values().toDoubles(), some.get("m").values().toDoubles(), () -> where);
        for (String slot : twin.stateNames("m")) {
          Bits.assertSame(
              twin.state("m", slot).toDoubles(),
              skipping.state("m", slot).toDoubles(),
              () -> where + ", " + slot);
        }
      }
      assertEquals(4, skipping.skippedSteps());
    }
  }

  private static Parameters matrices(Device device) {
    double[] values = Numbers.ordinary(new SplittableRandom(2), ElementType.FLOAT32, MATRIX);
    Parameters parameters =
        Parameters.on(device).add("m", ElementType.FLOAT32, MATRIX).shape("m", 6, 8).build();
    parameters.get("m").values().copyFrom(values);
    return parameters;
  }

  private static Optimizer skipping(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(step -> 0.125 / step)
        .skipNonFinite(true)
        .build();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aSkippedStepSetsGradientsToZeroIfAskedTo(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = parameters(device);
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .skipNonFinite(true)
                .zeroGradients(true)
                .build()) {
      gradients(parameters, 1, Float.NaN, 1);
      optimizer.step();
      assertArrayEquals(VALUES, values(parameters));
      assertArrayEquals(new float[3], parameters.get("p").gradients().toFloats());
      assertEquals(1, optimizer.skippedSteps());
    }
  }

  /** State that begins as a copy of the weights is that of those the first step begins with. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void weightsMayBeLoadedWhileAllStepsAreSkipped(ContractBackend backend) {
    float[] loaded = {5, -6, 7};
    List<float[]> results = new ArrayList<>();
    for (boolean skips : new boolean[] {true, false}) {
      try (Device device = backend.open();
          Parameters parameters = parameters(device);
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(ScheduleFreeSgd.scheduleFreeSgd())
                  .learningRate(0.5)
                  .skipNonFinite(true)
                  .build()) {
        for (int i = 0; skips && i < 2; i++) {
          gradients(parameters, 1, Float.NaN, 1);
          optimizer.step();
        }
        parameters.get("p").values().copyFrom(loaded);
        for (int i = 0; i < 3; i++) {
          gradients(parameters, 1, 2, 3);
          optimizer.step();
        }
        assertEquals(3, optimizer.stepCount());
        assertEquals(skips ? 2 : 0, optimizer.skippedSteps());
        results.add(values(parameters));
      }
    }
    assertArrayEquals(results.get(1), results.get(0));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void finiteGradientsWhoseNormIsBeyondTheTypeAreNotSkipped(ContractBackend backend) {
    for (ElementType type : new ElementType[] {ElementType.FLOAT32, ElementType.FLOAT64}) {
      double largest = type == ElementType.FLOAT32 ? Float.MAX_VALUE : Double.MAX_VALUE;
      try (Device device = backend.open();
          Parameters parameters = Parameters.on(device).add("p", type, 4).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(0.5)
                  .skipNonFinite(true)
                  .build()) {
        double[] gradients = new double[4];
        Arrays.fill(gradients, largest);
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
        assertEquals(0, optimizer.skippedSteps(), type.toString());
        assertEquals(-largest / 2, parameters.get("p").values().toDoubles()[3]);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aDynamicScaleGrowsAndBacksOff(ContractBackend backend) {
    LossScaler scaler = LossScaler.dynamic(1024, 2, 0.25, 3);
    try (Device device = backend.open();
        Parameters parameters = parameters(device);
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.5).lossScaler(scaler).build()) {
      double[] expected = {1024, 1024, 2048, 2048, 512, 512, 512, 1024};
      boolean[] finite = {true, true, true, true, false, true, true, true};
      for (int i = 0; i < expected.length; i++) {
        float g = (float) scaler.scale();
        gradients(parameters, g, finite[i] ? g : Float.POSITIVE_INFINITY, g);
        optimizer.step();
        assertEquals(expected[i], scaler.scale(), "after step " + i);
      }
      assertEquals(7, optimizer.stepCount());
      assertEquals(1, optimizer.skippedSteps());
      // Seven steps of rate 0.5 with an unscaled gradient of exactly 1.
      assertArrayEquals(new float[] {-2.5f, -1.5f, -0.5f}, values(parameters));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aScaleStaysInFloat32sRange(ContractBackend backend) {
    LossScaler scaler = LossScaler.dynamic(0x1p126, 4, 0x1p-100, 1);
    LossScaler fixed = LossScaler.fixed(8);
    try (Device device = backend.open();
        Parameters parameters = parameters(device);
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0).lossScaler(scaler).build();
        Optimizer other =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0).lossScaler(fixed).build()) {
      optimizer.step();
      assertEquals(0x1p126, scaler.scale(), "growth beyond the range is left out");
      gradients(parameters, Float.NaN, 0, 0);
      for (int i = 0; i < 5; i++) {
        optimizer.step();
        other.step();
      }
      assertEquals(Float.MIN_NORMAL, scaler.scale());
      assertEquals(8, fixed.scale());
      assertTrue(Float.isFinite((float) (1 / scaler.scale())));
    }
  }
}
