package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** At a learning rate of 0 parameters keep their bits, whatever the gradients are. */
class RateZeroTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int LENGTH = 5000;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.ofEachShape());
  }

  private static double[] gradients() {
    double[] gradients = new double[LENGTH];
    double[] kinds = {
      0, 1, -1, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e-30
    };
    for (int i = 0; i < LENGTH; i++) {
      gradients[i] = kinds[i % kinds.length];
    }
    return gradients;
  }

  private static double[] values() {
    double[] values = new double[LENGTH];
    double[] kinds = {1, -0.0, 0.0, -2.5, 0x1p-14, Double.POSITIVE_INFINITY};
    for (int i = 0; i < LENGTH; i++) {
      values[i] = kinds[i % kinds.length];
    }
    return values;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void parametersStayAndStateMoves(ContractBackend backend, UpdateRule rule) {
    for (ElementType type : ElementType.values()) {
      if (type == ElementType.FLOAT64 && !backend.hasFloat64()) {
        continue;
      }
      try (TestModel model = new TestModel(backend.shared())) {
        model.add("stays", type, backend.guarded(), values());
        model.add("owned", type, Placement.OWNED, values());
        model.gradients("stays", gradients());
        model.gradients("owned", gradients());
        double[] before = model.values("stays");
        try (Optimizer optimizer =
            Optimizer.of(model.parameters()).rule(rule).learningRate(0).build()) {
          optimizer.step();
          optimizer.step();
          assertArrayEquals(bits(before), bits(model.values("stays")), type.toString());
          assertArrayEquals(bits(before), bits(model.values("owned")), type.toString());
          for (String slot : optimizer.stateNames("stays")) {
            double[] state = optimizer.state("stays", slot).toDoubles();
            assertFalse(Arrays.stream(state).allMatch(x -> x == 0), slot + " did not move");
          }
        }
      }
    }
  }

  private static long[] bits(double[] values) {
    return Arrays.stream(values).mapToLong(Double::doubleToRawLongBits).toArray();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aGroupsFactorOfZeroConcernsThatGroupAlone(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device)
                .add("frozen", new float[] {1, 2})
                .add("moves", new float[] {1, 2})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Momentum.heavyBall(0.5))
                .group(ParameterGroup.matching("frozen").learningRateFactor(0))
                .learningRate(1)
                .build()) {
      float[] gradients = {Float.POSITIVE_INFINITY, 1};
      parameters.get("frozen").gradients().copyFrom(gradients);
      parameters.get("moves").gradients().copyFrom(gradients);
      optimizer.step();
      assertArrayEquals(new float[] {1, 2}, parameters.get("frozen").values().toFloats());
      assertArrayEquals(
          new float[] {Float.NEGATIVE_INFINITY, 1}, parameters.get("moves").values().toFloats());
      assertArrayEquals(gradients, optimizer.state("frozen", "momentum_buffer").toFloats());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aScheduleMayPassThroughZero(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam().eps(0))
                .learningRate(step -> step == 2 ? 0 : 0.5)
                .build()) {
      float[] expected = {0.5f, 0.5f, 0};
      for (float value : expected) {
        parameters.get("p").gradients().copyFrom(new float[] {1});
        optimizer.step();
        assertEquals(value, parameters.get("p").values().toFloats()[0], 1e-6f);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void zeroOverZeroLeavesParametersAlone(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2, 3}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam().eps(0)).learningRate(0).build()) {
      optimizer.step();
      assertArrayEquals(new float[] {1, 2, 3}, parameters.get("p").values().toFloats());
    }
  }
}
