package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.ReferenceNorm;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The global gradient norm against exact arithmetic, and at the ends of the range. */
class NormTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  private static double norm(ContractBackend backend, ElementType type, double[]... gradients) {
    return norm(backend, type, Norm.L2, gradients);
  }

  private static double norm(
      ContractBackend backend, ElementType type, Norm norm, double[]... gradients) {
    ParametersBuilder builder = Parameters.on(backend.shared());
    for (int i = 0; i < gradients.length; i++) {
      builder.add("p" + i, type, gradients[i].length);
    }
    try (Parameters parameters = builder.build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0).clipNorm(1, norm).build()) {
      for (int i = 0; i < gradients.length; i++) {
        parameters.get("p" + i).gradients().copyFrom(gradients[i]);
      }
      assertTrue(Double.isNaN(optimizer.gradientNorm()), "before the first step");
      optimizer.step();
      return optimizer.gradientNorm();
    }
  }

  private static double exactNorm(double[]... tensors) {
    BigDecimal sum = BigDecimal.ZERO;
    for (double[] tensor : tensors) {
      for (double x : tensor) {
        sum = sum.add(new BigDecimal(x).pow(2));
      }
    }
    return sum.sqrt(MathContext.DECIMAL64).doubleValue();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void isCloseToTheExactNormAndHasTheTreesBits(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(7);
    for (ElementType type : backend.types()) {
      double[] a = Numbers.ordinary(random, type, 9001);
      double[] b = Numbers.ordinary(random, type, 3);
      double exact = exactNorm(a, b);
      double norm = norm(backend, type, a, new double[0], b);
      double ulp = type == ElementType.FLOAT64 ? 0x1p-52 : 0x1p-23;
      // 14 rounded levels of additions of positive numbers, the square and the root.
      assertEquals(exact, norm, 16 * ulp * exact, type.toString());
      assertEquals(ReferenceNorm.of(type, List.of(a, b)), norm, type.toString());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void neitherOverflowsNorVanishes(ContractBackend backend) {
    for (double magnitude : new double[] {1e30, 1e37, 1e-30, 0x1p-149, 0x1p-126, 1}) {
      float x = (float) magnitude;
      double[] gradients = new double[64];
      Arrays.fill(gradients, x);
      assertEquals(8.0 * x, norm(backend, ElementType.FLOAT32, gradients), "64 elements of " + x);
    }
    Assumptions.assumeTrue(backend.hasFloat64(), "the device has no float64");
    for (double x : new double[] {1e300, 1e-300, Double.MIN_VALUE, 0x1p-1022, 1e200, 1e-200}) {
      double[] gradients = new double[64];
      Arrays.fill(gradients, x);
      assertEquals(8 * x, norm(backend, ElementType.FLOAT64, gradients), "64 elements of " + x);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void mixedMagnitudesKeepTheLargest(ContractBackend backend) {
    double[] tiny = new double[5000];
    Arrays.fill(tiny, 1e-30f);
    double[] huge = {3e30f, -4e30f};
    double norm = norm(backend, ElementType.FLOAT32, tiny, huge, tiny);
    assertEquals(5e30, norm, 5e30 * 0x1p-22);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void infinityAndNanShow(ContractBackend backend) {
    double inf = Double.POSITIVE_INFINITY;
    for (ElementType type : backend.types()) {
      assertEquals(inf, norm(backend, type, new double[] {1, -inf}, new double[] {2}));
      assertEquals(Double.NaN, norm(backend, type, new double[] {1}, new double[] {Double.NaN}));
      assertEquals(Double.NaN, norm(backend, type, new double[] {inf}, new double[] {Double.NaN}));
      assertEquals(0, norm(backend, type, new double[] {0, -0.0}));
      assertEquals(0, norm(backend, type, new double[0]));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void float32AndFloat64TogetherAreOneNorm(ContractBackend backend) {
    Assumptions.assumeTrue(backend.hasFloat64(), "the device has no float64");
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("f", new float[1]).add("d", new double[1]).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).clipNorm(1).build()) {
      parameters.get("f").gradients().copyFrom(new float[] {3e30f});
      parameters.get("d").gradients().copyFrom(new double[] {-4e30});
      optimizer.step();
      assertEquals(5e30, optimizer.gradientNorm(), 5e30 * 0x1p-22);
      assertEquals(-0.6, parameters.get("f").values().toDoubles()[0], 1e-6);
      assertEquals(0.8, parameters.get("d").values().toDoubles()[0], 1e-6);
    }
  }

  /**
   * Of 64 tensors, the first has a gradient so large that each 1 at a power of two is lost when it
   * is added to it; were the group's member added first, those would be added to each other.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void groupsDoNotChangeTheOrderOfTheSum(ContractBackend backend) {
    try (Device device = backend.open()) {
      ParametersBuilder builder = Parameters.on(device);
      for (int i = 0; i < 64; i++) {
        builder.add("p" + i, new float[1]);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(0)
                  .clipNorm(1)
                  .group(ParameterGroup.matching("p1").weightDecay(0))
                  .build()) {
        List<double[]> gradients = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
          double[] gradient = {i == 0 ? 4096 : Integer.bitCount(i) == 1 ? 1 : 0};
          gradients.add(gradient);
          parameters.get("p" + i).gradients().copyFrom(gradient);
        }
        optimizer.step();
        assertEquals(4096, optimizer.gradientNorm());
        Collections.swap(gradients, 0, 1);
        assertNotEquals(
            4096, ReferenceNorm.of(ElementType.FLOAT32, gradients), "order does matter");
      }
    }
  }

  /** Each tensor has a leaf of its own, and a node adds 4096: one level more than elsewhere. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void moreLeavesThanANodeHas(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(9);
    for (ElementType type : backend.types()) {
      double[][] gradients = new double[4096 + 3][];
      Arrays.setAll(gradients, i -> Numbers.ordinary(random, type, 1 + i % 3));
      assertEquals(
          ReferenceNorm.of(type, List.of(gradients)),
          norm(backend, type, gradients),
          type.toString());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void isOfTheUnscaledGradient(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[2]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .lossScaler(LossScaler.fixed(1024))
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {3 * 1024, 4 * 1024});
      optimizer.step();
      assertEquals(5, optimizer.gradientNorm());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void otherNormsHaveTheTreesBits(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(8);
    for (Norm norm : List.of(Norm.L1, Norm.MAX)) {
      for (ElementType type : backend.types()) {
        double[] a = Numbers.ordinary(random, type, 9001);
        double[] b = Numbers.ordinary(random, type, 3);
        assertEquals(
            ReferenceNorm.of(type, norm, List.of(a, b)),
            norm(backend, type, norm, a, new double[0], b),
            norm + ", " + type);
        double[][] many = new double[4096 + 3][];
        Arrays.setAll(many, i -> Numbers.ordinary(random, type, 1 + i % 3));
        assertEquals(
            ReferenceNorm.of(type, norm, List.of(many)),
            norm(backend, type, norm, many),
            norm + " of nodes, " + type);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void otherNormsNeitherOverflowNorVanish(ContractBackend backend) {
    for (ElementType type : List.of(ElementType.FLOAT32, ElementType.FLOAT64)) {
      if (!backend.types().contains(type)) {
        continue;
      }
      boolean isDouble = type == ElementType.FLOAT64;
      double largest = isDouble ? Double.MAX_VALUE : Float.MAX_VALUE;
      double least = isDouble ? Double.MIN_VALUE : Float.MIN_VALUE;
      double inf = Double.POSITIVE_INFINITY;
      for (double x : new double[] {largest / 128, isDouble ? 1e-300 : 1e-36f, least, 1}) {
        double[] gradients = new double[64];
        Arrays.fill(gradients, -x);
        gradients[63] = x;
        assertEquals(64 * x, norm(backend, type, Norm.L1, gradients), "64 elements of " + x);
        assertEquals(x, norm(backend, type, Norm.MAX, gradients), "64 elements of " + x);
      }
      assertEquals(largest, norm(backend, type, Norm.MAX, new double[] {3, -largest}));
      assertEquals(inf, norm(backend, type, Norm.L1, new double[] {largest, largest}));
      for (Norm norm : List.of(Norm.L1, Norm.MAX)) {
        assertEquals(inf, norm(backend, type, norm, new double[] {1, -inf}, new double[] {2}));
        assertEquals(
            Double.NaN,
            norm(backend, type, norm, new double[] {inf}, new double[] {-1, Double.NaN}));
        assertEquals(0, norm(backend, type, norm, new double[] {0, -0.0}));
        assertEquals(0, norm(backend, type, norm, new double[0]));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void otherNormsOfBothArithmeticsAndScale(ContractBackend backend) {
    Assumptions.assumeTrue(backend.hasFloat64(), "the device has no float64");
    for (Norm norm : List.of(Norm.L1, Norm.MAX)) {
      try (Device device = backend.open();
          Parameters parameters =
              Parameters.on(device).add("f", new float[2]).add("d", new double[1]).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(1)
                  .gradientScale(0.5)
                  .clipNorm(1, norm)
                  .build()) {
        parameters.get("f").gradients().copyFrom(new float[] {2, -4});
        parameters.get("d").gradients().copyFrom(new double[] {10});
        optimizer.step();
        double expected = norm == Norm.L1 ? 8 : 5;
        assertEquals(expected, optimizer.gradientNorm(), norm.toString());
        assertEquals(-5 / (expected + 1e-6), parameters.get("d").values().toDoubles()[0]);
        assertEquals(
            -(0.5f * (float) (1 / (expected + 1e-6))) * 2,
            parameters.get("f").values().toFloats()[0]);
      }
    }
  }

  /** A norm's factor beside the range: the largest magnitude times it is a number all the same. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void theLargestMagnitudeIsScaledWithinTheRange(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[1]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .gradientScale(0.75)
                .clipNorm(Double.POSITIVE_INFINITY, Norm.MAX)
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {Float.MAX_VALUE});
      optimizer.step();
      assertEquals(0.75f * Float.MAX_VALUE, optimizer.gradientNorm());
    }
  }
}
