package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kernels' conversions of 16-bit types, seen through steps whose arithmetic is exact: all
 * 65,536 patterns widened, and narrowed every float32 at which the result changes and its
 * neighbours.
 */
public class HalfConversionTest {
  private static final int PATTERNS = 1 << 16;

  static Stream<Arguments> backendsAndTypes() {
    return ContractBackend.all().stream()
        .flatMap(
            backend ->
                Stream.of(ElementType.FLOAT16, ElementType.BFLOAT16)
                    .map(type -> Arguments.of(backend, type)));
  }

  private static short[] patterns() {
    short[] patterns = new short[PATTERNS];
    for (int i = 0; i < PATTERNS; i++) {
      patterns[i] = (short) i;
    }
    return patterns;
  }

  /** Of either sign: each value, the middle between it and the next, and the floats beside both. */
  private static float[] boundaries(ElementType type) {
    int infinity = type == ElementType.FLOAT16 ? 0x7c00 : 0x7f80;
    float[] boundaries = new float[infinity * 12];
    int n = 0;
    for (int i = 0; i < infinity; i++) {
      float value = (float) Numbers.decode(type, i);
      double next =
          i + 1 < infinity
              ? Numbers.decode(type, i + 1)
              : 2 * (double) value - Numbers.decode(type, i - 1);
      float middle = (float) ((value + next) / 2);
      for (float exact : new float[] {value, middle}) {
        for (float x : new float[] {Math.nextDown(exact), exact, Math.nextUp(exact)}) {
          boundaries[n++] = x;
          boundaries[n++] = -x;
        }
      }
    }
    return boundaries;
  }

  private static Optimizer optimizer(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters).rule(rule).learningRate(1).build();
  }

  private static ParametersBuilder builder(Device device, Optional<ElementType> gradients) {
    ParametersBuilder builder = Parameters.on(device);
    gradients.ifPresent(builder::gradientType);
    return builder;
  }

  /**
   * In the type's own kernels, gradients into state; then in those of mixed types, into parameters.
   */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndTypes")
  void allPatternsAreWidenedExactly(ContractBackend backend, ElementType type) {
    Device device = backend.shared();
    try (Parameters parameters =
            builder(device, Optional.empty()).add("p", type, PATTERNS).build();
        Optimizer optimizer = optimizer(parameters, Momentum.heavyBall(0.5))) {
      parameters.get("p").gradients().copyFromBits(patterns());
      optimizer.step();
      assertWidened(type, 1, optimizer.state("p", "momentum_buffer"));
    }
    try (Parameters parameters =
            builder(device, Optional.of(type)).add("p", ElementType.FLOAT32, PATTERNS).build();
        Optimizer optimizer = optimizer(parameters, Sgd.sgd())) {
      parameters.get("p").gradients().copyFromBits(patterns());
      optimizer.step();
      assertWidened(type, -1, parameters.get("p").values());
    }
  }

  private static void assertWidened(ElementType type, int sign, Tensor widened) {
    float[] floats = widened.toFloats();
    for (int i = 0; i < PATTERNS; i++) {
      float expected = sign * (float) Numbers.decode(type, i) + 0f; // a zero is positive after sums
      assertEquals(expected, floats[i], type + " bits " + Integer.toHexString(i));
    }
  }

  /** In the type's own kernels, state into parameters; then in those of mixed types, gradients. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndTypes")
  void boundariesAreNarrowedToNearestEven(ContractBackend backend, ElementType type) {
    Device device = backend.shared();
    float[] boundaries = boundaries(type);
    int n = boundaries.length;
    float[] doubled = new float[n];
    for (int i = 0; i < n; i++) {
      doubled[i] = -2 * boundaries[i];
    }
    try (Parameters parameters = builder(device, Optional.empty()).add("p", type, n).build();
        Optimizer optimizer = optimizer(parameters, Momentum.heavyBall(0.5))) {
      optimizer.state("p", "momentum_buffer").copyFrom(doubled);
      optimizer.step();
      assertNarrowed(type, boundaries, doubled, parameters.get("p"));
    }
    try (Parameters parameters =
            builder(device, Optional.of(ElementType.FLOAT32)).add("p", type, n).build();
        Optimizer optimizer = optimizer(parameters, Sgd.sgd())) {
      float[] negative = new float[n];
      for (int i = 0; i < n; i++) {
        negative[i] = -boundaries[i];
      }
      parameters.get("p").gradients().copyFrom(negative);
      optimizer.step();
      assertNarrowed(type, boundaries, negative, parameters.get("p"));
    }
  }

  /** Unless the number that led to a value was beyond float32, which doubling can be. */
  private static void assertNarrowed(
      ElementType type, float[] boundaries, float[] origin, Parameter parameter) {
    short[] bits = new short[boundaries.length];
    parameter.values().copyToBits(bits);
    for (int i = 0; i < bits.length; i++) {
      float exact = Float.isInfinite(origin[i]) ? -origin[i] : boundaries[i] + 0f;
      short expected = Numbers.encode(type, Numbers.round(type, exact));
      assertEquals(expected, bits[i], () -> type + " of " + Float.toHexString(exact));
    }
  }
}
