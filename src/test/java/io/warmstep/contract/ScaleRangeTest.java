package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.ContractBackend;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The factor of gradients is a quotient of two float32 numbers, which can be beyond float32: it
 * must neither overflow nor lose what the gradients have.
 */
class ScaleRangeTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  /** Lengths of one element, of a tile and of more, so that each path of a kernel is taken. */
  private static final List<Integer> LENGTHS = List.of(1, 3, 2048, 5000);

  private static float[] filled(int length, float value) {
    float[] values = new float[length];
    Arrays.fill(values, value);
    return values;
  }

  /** One step at rate 1 from parameters of 0: minus what the rule got for a gradient. */
  private static float[] step(
      ContractBackend backend, double scale, double lossScale, double clipNorm, float[] gradients) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("p", new float[gradients.length]).build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(Sgd.sgd())
              .learningRate(1)
              .gradientScale(scale)
              .lossScaler(LossScaler.fixed(lossScale));
      if (clipNorm > 0) {
        builder.clipNorm(clipNorm);
      }
      try (Optimizer optimizer = builder.build()) {
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
        assertEquals(1, optimizer.stepCount());
        return parameters.get("p").values().toFloats();
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aFactorAboveTheRangeKeepsZerosAndSubnormals(ContractBackend backend) {
    for (int length : LENGTHS) {
      float[] zeros = filled(length, 0f);
      assertArrayEquals(zeros, step(backend, 4, Float.MIN_NORMAL, 0, zeros));
      float[] steps = step(backend, 0x1p127, Float.MIN_NORMAL, 0, filled(length, 0x1.4p-140f));
      assertArrayEquals(filled(length, -0x1.4p113f), steps);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aFactorBelowTheRangeKeepsGradients(ContractBackend backend) {
    for (int length : LENGTHS) {
      float[] large = filled(length, 0x1.234568p127f);
      // 2^-133 would be a subnormal factor with few bits, 2^-200 would be none.
      assertArrayEquals(filled(length, -0x1.234568p-6f), step(backend, 0x1p-66, 0x1p67, 0, large));
      assertArrayEquals(
          filled(length, -0x1.234568p-73f), step(backend, 0x1p-100, 0x1p100, 0, large));
    }
    float decimal = step(backend, 1e-20, 1e20, 0, new float[] {1e38f})[0];
    assertEquals(-1e-2, decimal, 1e-9);
    float gone = step(backend, 1e-30, 1e30, 0, new float[] {3e38f})[0];
    assertEquals(-3e-22, gone, 1e-29);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void clippingByNormWorksBeyondTheRange(ContractBackend backend) {
    float[] tiny = {0x3p-140f, 0x4p-140f};
    float[] clipped = step(backend, 0x1p16, 0x1p-124, 2.5, tiny);
    assertArrayEquals(new float[] {-1.5f, -2f}, clipped, 1e-5f);
    float[] huge = {3e37f, 4e37f};
    assertArrayEquals(
        new float[] {-6e-10f, -8e-10f}, step(backend, 1e-20, 1e20, 1e-9, huge), 1e-12f);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void theNormIsThatOfTheScaledGradients(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[2]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .gradientScale(0x1p20)
                .lossScaler(LossScaler.fixed(0x1p-120))
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {0x3p-140f, 0x4p-140f});
      optimizer.step();
      assertEquals(5, optimizer.gradientNorm());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aScaleThatBackedOffToItsLeastStillTrains(ContractBackend backend) {
    LossScaler scaler = LossScaler.dynamic();
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 1, 1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(0.1)
                .gradientScale(8)
                .lossScaler(scaler)
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {Float.NaN, 0, 0});
      for (int i = 0; i < 150; i++) {
        optimizer.step();
      }
      assertEquals(Float.MIN_NORMAL, scaler.scale());
      float g = (float) (scaler.scale() / 8);
      parameters.get("p").gradients().copyFrom(new float[] {g, 0, -g / 2});
      optimizer.step();
      assertEquals(1, optimizer.stepCount());
      assertArrayEquals(new float[] {0.9f, 1, 1.05f}, parameters.get("p").values().toFloats());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void halvesAndClippingByValue(ContractBackend backend) {
    for (ElementType type : new ElementType[] {ElementType.FLOAT16, ElementType.BFLOAT16}) {
      try (Device device = backend.open();
          Parameters parameters = Parameters.on(device).add("p", type, 2100).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(1)
                  .gradientScale(0x1p14)
                  .lossScaler(LossScaler.fixed(Float.MIN_NORMAL))
                  .clipValue(0.5)
                  .build()) {
        float smallest = type == ElementType.FLOAT16 ? 0x1p-24f : 0x1p-133f;
        float[] gradients = filled(2100, smallest);
        gradients[7] = 0;
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
        float[] expected = filled(2100, -0.5f);
        expected[7] = 0;
        assertArrayEquals(expected, parameters.get("p").values().toFloats(), type.toString());
      }
    }
  }
}
