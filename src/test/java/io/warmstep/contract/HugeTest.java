package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A tensor of more elements than an int counts: 8.6 GB of bfloat16 values and gradients. Runs on
 * request, see CONTRIBUTING.md.
 */
@Tag("huge")
class HugeTest {
  private static final long LENGTH = (1L << 31) + 4097;
  private static final int CHUNK = 1 << 16;
  private static final double RATE = 0.25;

  /** Where elements are other than 0: at the start, and from before the int's limit to the end. */
  private static final long[] FROM = {0, (1L << 31) - CHUNK / 2};

  private static int length(long from) {
    return (int) Math.min(CHUNK, LENGTH - from);
  }

  private static float[] numbers(long seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] numbers = new float[length];
    for (int i = 0; i < length; i++) {
      numbers[i] = random.nextInt(-128, 128) / 64f; // a bfloat16 number
    }
    return numbers;
  }

  private static void fill(Parameters parameters, String name, long at, int chunk) {
    int n = length(FROM[chunk]);
    parameters.get(name).values().slice(at, n).copyFrom(numbers(chunk, n));
    parameters.get(name).gradients().slice(at, n).copyFrom(numbers(10 + chunk, n));
  }

  /** The chunks of a huge tensor after two steps, and one between them, which is 0. */
  private static List<float[]> trained(Device device, UpdateRule rule) {
    List<float[]> found = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(device).add("p", ElementType.BFLOAT16, LENGTH).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(RATE).build()) {
      for (int chunk = 0; chunk < FROM.length; chunk++) {
        fill(parameters, "p", FROM[chunk], chunk);
      }
      optimizer.step();
      optimizer.step();
      for (long from : FROM) {
        found.add(parameters.get("p").values().slice(from, length(from)).toFloats());
      }
      found.add(parameters.get("p").values().slice(LENGTH / 2, CHUNK).toFloats());
    }
    return found;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#secondWays")
  void sgdIsThatOfSmallTensors(ContractBackend backend) {
    List<float[]> found = trained(backend.shared(), Sgd.sgd());
    for (int chunk = 0; chunk < FROM.length; chunk++) {
      int n = length(FROM[chunk]);
      try (Device one = Devices.cpu(1);
          Parameters parameters = Parameters.on(one).add("p", ElementType.BFLOAT16, n).build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(RATE).build()) {
        fill(parameters, "p", 0, chunk);
        optimizer.step();
        optimizer.step();
        assertArrayEquals(parameters.get("p").values().toFloats(), found.get(chunk));
        assertFalse(Arrays.equals(numbers(chunk, n), found.get(chunk)), "moved");
      }
    }
    assertArrayEquals(new float[CHUNK], found.get(FROM.length));
  }

  /** Sums over all leaves, which are more than 2^19. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#secondWays")
  void larsHasTheBitsOfOneThread(ContractBackend backend) {
    UpdateRule rule = Lars.lars().weightDecay(0.5).trustCoeff(0.5);
    List<float[]> found = trained(backend.shared(), rule);
    try (Device one = Devices.cpu(1)) {
      List<float[]> expected = trained(one, rule);
      for (int i = 0; i < expected.size(); i++) {
        assertArrayEquals(expected.get(i), found.get(i));
      }
    }
    assertFalse(Arrays.equals(numbers(1, length(FROM[1])), found.get(1)), "moved");
  }
}
