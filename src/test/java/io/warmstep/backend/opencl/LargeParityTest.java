package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** OpenCL against the Java loops on a million elements, and on millions of raw bit patterns. */
@Tag("opencl")
class LargeParityTest {
  private static final int MILLION = 1_000_003;
  private static final int PATTERNS = 1 << 22;
  private static final long SEED = 20;

  static Stream<Arguments> rulesAndTypes() {
    return arguments(RuleMatrix.all());
  }

  static Stream<Arguments> richRulesAndTypes() {
    return arguments(RuleMatrix.rich());
  }

  private static Stream<Arguments> arguments(List<UpdateRule> rules) {
    return rules.stream()
        .flatMap(
            rule ->
                Stream.of(ElementType.FLOAT32, ElementType.FLOAT64)
                    .map(type -> Arguments.of(rule, type)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("rulesAndTypes")
  void aMillionElements(UpdateRule rule, ElementType type) {
    compare(rule, type, MILLION, 5, false);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("richRulesAndTypes")
  void rawBitPatterns(UpdateRule rule, ElementType type) {
    compare(rule, type, PATTERNS, 1, true);
  }

  private static void compare(
      UpdateRule rule, ElementType type, int length, int steps, boolean isRaw) {
    List<Object> expected = train("cpu", rule, type, length, steps, isRaw);
    List<Object> actual = train("opencl", rule, type, length, steps, isRaw);
    long differing = 0;
    for (int i = 0; i < expected.size(); i++) {
      differing +=
          type == ElementType.FLOAT64
              ? differing((double[]) expected.get(i), (double[]) actual.get(i))
              : differing((float[]) expected.get(i), (float[]) actual.get(i));
    }
    assertEquals(0, differing, "differing values, seed " + SEED);
  }

  /** Parameters, then state, as arrays. */
  private static List<Object> train(
      String backend, UpdateRule rule, ElementType type, int length, int steps, boolean isRaw) {
    SplittableRandom random = new SplittableRandom(SEED);
    try (Device device = Devices.require(backend);
        Parameters parameters = Parameters.on(device).add("p", type, length).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(0.0123).build()) {
      List<Tensor> results = new ArrayList<>();
      results.add(parameters.get("p").values());
      optimizer.stateNames("p").forEach(slot -> results.add(optimizer.state("p", slot)));
      // Zeros are a state of their own: raw bits are for the single step that may start anywhere.
      for (Tensor tensor : isRaw ? results : results.subList(0, 1)) {
        fill(tensor, random, isRaw);
      }
      for (int step = 0; step < steps; step++) {
        fill(parameters.get("p").gradients(), random, isRaw);
        optimizer.step();
      }
      return results.stream()
          .<Object>map(
              tensor -> type == ElementType.FLOAT64 ? tensor.toDoubles() : tensor.toFloats())
          .toList();
    }
  }

  private static void fill(Tensor tensor, SplittableRandom random, boolean isRaw) {
    int length = Math.toIntExact(tensor.length());
    if (tensor.type() == ElementType.FLOAT64) {
      double[] values = new double[length];
      for (int i = 0; i < length; i++) {
        values[i] = isRaw ? Double.longBitsToDouble(random.nextLong()) : random.nextDouble(-1, 1);
      }
      tensor.copyFrom(values);
    } else {
      float[] values = new float[length];
      for (int i = 0; i < length; i++) {
        values[i] =
            isRaw ? Float.intBitsToFloat(random.nextInt()) : (float) random.nextDouble(-1, 1);
      }
      tensor.copyFrom(values);
    }
  }

  /** NaN counts as equal to NaN. */
  private static long differing(float[] expected, float[] actual) {
    long count = 0;
    for (int i = 0; i < expected.length; i++) {
      if (Float.floatToIntBits(expected[i]) != Float.floatToIntBits(actual[i])) {
        count++;
      }
    }
    return count;
  }

  private static long differing(double[] expected, double[] actual) {
    long count = 0;
    for (int i = 0; i < expected.length; i++) {
      if (Double.doubleToLongBits(expected[i]) != Double.doubleToLongBits(actual[i])) {
        count++;
      }
    }
    return count;
  }
}
