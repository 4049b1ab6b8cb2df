package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Codes of numbers that lie where one code ends and the next begins: a backend that computes codes
 * in another way than the CPU must decide each as the CPU does.
 */
class CodeBoundariesTest {
  private static final int GROUP = 32;

  /** Numbers before and after a boundary, each the next in float32. */
  private static final int BESIDE = 6;

  /** Of groups: ordinary ones, and such that shares of them are subnormal or near the largest. */
  private static final float[] LARGEST = {1, 1.37f, 0x1.fep-3f, 3e-30f, 2e-38f, 7e15f, 3e38f};

  /** Groups that begin with their largest number, of shares of it around the boundaries. */
  private static float[] around(double[] boundaries, float largest) {
    float[] values = new float[(boundaries.length * (2 * BESIDE + 1) / (GROUP - 1) + 1) * GROUP];
    int n = 0;
    for (double boundary : boundaries) {
      for (int step = -BESIDE; step <= BESIDE; step++) {
        if (n % GROUP == 0) {
          values[n++] = largest;
        }
        float at = (float) (scale(largest) * boundary);
        float value = Float.intBitsToFloat(Math.max(0, Float.floatToRawIntBits(at) + step));
        values[n] = n % 2 == 0 ? value : -value;
        n++;
      }
    }
    return values;
  }

  /** The scale of a group with this largest number: rounded up to 8 bits behind the point. */
  private static float scale(float largest) {
    return Float.intBitsToFloat((Float.floatToRawIntBits(largest) + 0x7fff) & ~0x7fff);
  }

  private static float[] moments(float largest) {
    double[] boundaries =
        IntStream.rangeClosed(1, 127)
            .mapToDouble(code -> (code - 0.5) / 127)
            .map(share -> share / (2 - share))
            .toArray();
    return around(boundaries, largest);
  }

  /** Numbers whose squares have such codes. */
  private static float[] roots(float largest) {
    double[] boundaries =
        IntStream.rangeClosed(1, 253)
            .mapToDouble(code -> Math.pow((code - 0.5) / 253, 4))
            .toArray();
    return around(boundaries, largest);
  }

  /** The bits of a slot after a step with these gradients from zeros. */
  private static int[] state(
      Device device, UpdateRule rule, Rounding rounding, String slot, float[] gradients) {
    try (Parameters parameters =
            Parameters.on(device).add("p", new float[gradients.length]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(0)
                .stateType(StateType.INT8, 0)
                .rounding(rounding, 11)
                .build()) {
      parameters.get("p").gradients().copyFrom(gradients);
      optimizer.step();
      float[] values = optimizer.state("p", slot).toFloats();
      return IntStream.range(0, values.length)
          .map(i -> Float.floatToRawIntBits(values[i]))
          .toArray();
    }
  }

  private static void compare(
      ContractBackend backend, UpdateRule rule, Rounding rounding, String slot, float[] gradients) {
    try (Device cpu = Devices.cpu()) {
      assertArrayEquals(
          state(cpu, rule, rounding, slot, gradients),
          state(backend.shared(), rule, rounding, slot, gradients),
          () -> slot + " with a largest number of " + gradients[0]);
    }
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void codesOfMomentsAreTheSame(ContractBackend backend) {
    for (float largest : LARGEST) {
      compare(
          backend, Momentum.heavyBall(0.9), Rounding.NEAREST, "momentum_buffer", moments(largest));
    }
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void codesOfSquaresAreTheSame(ContractBackend backend) {
    // The state is then the gradient's square, as it is rounded.
    UpdateRule rule = RmsProp.rmsProp().alpha(0);
    for (float largest : LARGEST) {
      compare(backend, rule, Rounding.NEAREST, "square_avg", roots(largest));
    }
  }

  /** Thresholds are then random: of so many numbers some dozens are as near to one. */
  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void randomCodesAreTheSame(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(3);
    float[] gradients = new float[200_000];
    for (int i = 0; i < gradients.length; i++) {
      gradients[i] = (float) Math.exp(-12 * random.nextDouble());
    }
    compare(backend, RmsProp.rmsProp().alpha(0), Rounding.STOCHASTIC, "square_avg", gradients);
  }

  /** A group's scale is then 0, whatever else it has. */
  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void infinitiesBesideZerosStay(ContractBackend backend) {
    float[] written = new float[3 * GROUP + 5];
    written[3] = Float.POSITIVE_INFINITY;
    written[4] = Float.NaN;
    written[GROUP] = Float.MIN_VALUE;
    written[GROUP + 1] = Float.POSITIVE_INFINITY;
    written[3 * GROUP + 4] = Float.POSITIVE_INFINITY;
    assertArrayEquals(
        Arrays.copyOf(new float[] {0, 0, 0, Float.NaN, Float.NaN}, GROUP),
        Arrays.copyOf(
            stepped(backend, Momentum.heavyBall(0.9), "momentum_buffer", written), GROUP));
    float[] squares = stepped(backend, RmsProp.rmsProp().alpha(0.5), "square_avg", written);
    assertArrayEquals(Arrays.copyOf(written, GROUP), Arrays.copyOf(squares, GROUP));
    assertEquals(Float.POSITIVE_INFINITY, squares[GROUP + 1]);
    assertEquals(0, squares[2 * GROUP]);
    assertEquals(Float.POSITIVE_INFINITY, squares[3 * GROUP + 4]);
  }

  /** What a step with gradients of zero makes of a state, the same as on the CPU. */
  private static float[] stepped(
      ContractBackend backend, UpdateRule rule, String slot, float[] written) {
    float[][] states = new float[2][];
    try (Device cpu = Devices.cpu()) {
      Device[] devices = {cpu, backend.shared()};
      for (int i = 0; i < 2; i++) {
        try (Parameters parameters =
                Parameters.on(devices[i]).add("p", new float[written.length]).build();
            Optimizer optimizer =
                Optimizer.of(parameters)
                    .rule(rule)
                    .learningRate(0)
                    .stateType(StateType.INT8, 0)
                    .build()) {
          optimizer.state("p", slot).copyFrom(written);
          optimizer.step();
          states[i] = optimizer.state("p", slot).toFloats();
        }
      }
    }
    assertArrayEquals(states[0], states[1]);
    return states[1];
  }

  /** What is tried lies on both sides of each boundary, or the tests above would show nothing. */
  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void boundariesAreWhereTheyAreTried(ContractBackend backend) {
    int[] moments =
        state(
            backend.shared(),
            Momentum.heavyBall(0.9),
            Rounding.NEAREST,
            "momentum_buffer",
            moments(1));
    assertEquals(128, magnitudes(moments));
    int[] squares =
        state(
            backend.shared(), RmsProp.rmsProp().alpha(0), Rounding.NEAREST, "square_avg", roots(1));
    assertEquals(254, magnitudes(squares));
  }

  private static long magnitudes(int[] bits) {
    return Arrays.stream(bits).map(x -> x & 0x7fffffff).distinct().count();
  }
}
