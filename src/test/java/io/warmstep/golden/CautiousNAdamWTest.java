package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The golden files have NAdamW without caution and caution without NAdamW. This is timm's formula
 * of both (timm/optim/nadamw.py, {@code _single_tensor_nadamw}), in its order of operations.
 */
class CautiousNAdamWTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#representatives";
  private static final int[] SIZES = {1, 24, 4097};
  private static final int STEPS = 30;
  private static final double RATE = 0.01;
  private static final double BETA1 = 0.8;
  private static final double BETA2 = 0.95;
  private static final double EPS = 1e-6;
  private static final double DECAY = 0.1;
  private static final NAdamW RULE =
      NAdamW.nAdamW().betas(BETA1, BETA2).eps(EPS).weightDecay(DECAY).caution(true);

  /** One tensor's parameters and state. */
  private static final class Reference {
    final double[] p;
    final double[] m;
    final double[] v;

    Reference(double[] initial) {
      p = initial.clone();
      m = new double[p.length];
      v = new double[p.length];
    }

    /** Returns the mean of the mask. */
    double step(int t, double[] g) {
      double[] ahead = new double[p.length];
      double agreeing = 0;
      for (int i = 0; i < p.length; i++) {
        p[i] *= 1 - RATE * DECAY;
        m[i] = m[i] * BETA1 + (1 - BETA1) * g[i];
        v[i] = v[i] * BETA2 + (1 - BETA2) * g[i] * g[i];
        ahead[i] = m[i] * BETA1 + (1 - BETA1) * g[i];
        agreeing += ahead[i] * g[i] > 0 ? 1 : 0;
      }
      double mean = agreeing / p.length;
      double stepSize = RATE / (1 - Math.pow(BETA1, t));
      double root = Math.sqrt(1 - Math.pow(BETA2, t));
      for (int i = 0; i < p.length; i++) {
        double mask = ahead[i] * g[i] > 0 ? 1 / Math.max(mean, 1e-3) : 0;
        p[i] -= stepSize * (ahead[i] * mask) / (Math.sqrt(v[i]) / root + EPS);
      }
      return mean;
    }
  }

  /** Some are 0, and in each seventh step one element at most agrees with the average. */
  private static double[] gradients(SplittableRandom random, int length, int step) {
    double[] g = new double[length];
    for (int i = 0; i < length; i++) {
      double next = random.nextInt(8) == 0 ? 0 : random.nextDouble() + 0.5;
      g[i] = step % 7 != 6 ? next : i == 0 ? 1 : -1e-3 * next;
    }
    return g;
  }

  /** Of each tensor's parameters, relative to the tensor's largest. */
  private static double[] largestErrors(Device device, ElementType type) {
    ParametersBuilder builder = Parameters.on(device);
    for (int size : SIZES) {
      builder.add("t" + size, type, size);
    }
    SplittableRandom random = new SplittableRandom(12);
    double[] errors = new double[SIZES.length];
    try (Parameters parameters = builder.build();
        Optimizer optimizer = Optimizer.of(parameters).rule(RULE).learningRate(RATE).build()) {
      List<Reference> references = new ArrayList<>();
      for (int size : SIZES) {
        double[] initial = random.doubles(size, -1, 1).map(x -> (float) x).toArray();
        parameters.get("t" + size).values().copyFrom(initial);
        references.add(new Reference(initial));
      }
      double least = 1;
      for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < SIZES.length; i++) {
          double[] g = gradients(random, SIZES[i], step);
          for (int j = 0; j < g.length; j++) {
            g[j] = (float) g[j];
          }
          parameters.get("t" + SIZES[i]).gradients().copyFrom(g);
          double mean = references.get(i).step(step, g);
          least = mean > 0 ? Math.min(least, mean) : least;
        }
        optimizer.step();
        for (int i = 0; i < SIZES.length; i++) {
          double[] expected = references.get(i).p;
          double[] actual = parameters.get("t" + SIZES[i]).values().toDoubles();
          double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
          for (int j = 0; j < expected.length; j++) {
            errors[i] = Math.max(errors[i], Math.abs(actual[j] - expected[j]) / largest);
          }
        }
      }
      assertTrue(least < 1e-3, "the bound on the mean was never met");
    }
    return errors;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void trajectoriesAreTimms(ContractBackend backend) {
    try (Device device = backend.open()) {
      Map<ElementType, Double> bounds =
          device.supports(ElementType.FLOAT64)
              ? Map.of(ElementType.FLOAT32, 1e-5, ElementType.FLOAT64, 1e-12)
              : Map.of(ElementType.FLOAT32, 1e-5);
      bounds.forEach(
          (type, bound) -> {
            for (double error : largestErrors(device, type)) {
              assertEquals(0, error, bound, type.toString());
            }
          });
    }
  }

  /** Both have one kernel, which takes their groups in one launch. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void besideAdamWEachTakesItsOwnDirection(ContractBackend backend) {
    Adam adamW = Adam.adamW().caution(true);
    List<double[]> apart = new ArrayList<>(trained(backend, adamW, adamW).subList(0, 1));
    apart.add(trained(backend, RULE, RULE).get(1));
    List<double[]> together = trained(backend, adamW, RULE);
    for (int i = 0; i < together.size(); i++) {
      assertArrayEquals(apart.get(i), together.get(i));
    }
    assertFalse(Arrays.equals(together.get(0), trained(backend, RULE, RULE).get(0)));
  }

  private static List<double[]> trained(ContractBackend backend, UpdateRule a, UpdateRule b) {
    SplittableRandom random = new SplittableRandom(3);
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device)
                .add("a", ElementType.FLOAT32, 5000)
                .add("b", ElementType.FLOAT32, 300)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(b)
                .group(ParameterGroup.matching("a").rule(a))
                .learningRate(RATE)
                .build()) {
      for (int step = 1; step <= 4; step++) {
        parameters.get("a").gradients().copyFrom(gradients(random, 5000, step));
        parameters.get("b").gradients().copyFrom(gradients(random, 300, step));
        optimizer.step();
      }
      return List.of(
          parameters.get("a").values().toDoubles(), parameters.get("b").values().toDoubles());
    }
  }
}
