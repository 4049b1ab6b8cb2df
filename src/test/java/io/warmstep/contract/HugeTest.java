package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Lion;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StableAdamW;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.ReferenceRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A tensor of more elements than an int counts: 8.6 GB of bfloat16 values and gradients, beside
 * state that rules and ways to store have least of. Runs on request, see CONTRIBUTING.md.
 */
@Tag("huge")
class HugeTest {
  private static final long ROWS = (1 << 16) + 1;
  private static final long COLUMNS = (1 << 15) + 1;
  private static final long LENGTH = ROWS * COLUMNS;
  private static final int CHUNK = 1 << 16;
  private static final int CODES = 32; // of a group
  private static final double RATE = 0.25;

  /** Where elements are other than 0: at the start, around the int's limit, and up to the end. */
  private static final long[] FROM = {
    0, (1L << 31) - CHUNK / 2, (LENGTH - CHUNK / 2) / CODES * CODES
  };

  private static final long SEED = 77;

  /** A rule, and the options that it needs to fit the memory. */
  private record Case(
      UpdateRule rule,
      StateType state,
      MasterWeights masters,
      boolean isClipped,
      Rounding rounding,
      boolean hasAverage) {
    Case(UpdateRule rule) {
      this(rule, StateType.FLOAT32);
    }

    Case(UpdateRule rule, StateType state) {
      this(rule, state, MasterWeights.NONE, false);
    }

    Case(UpdateRule rule, StateType state, MasterWeights masters, boolean isClipped) {
      this(rule, state, masters, isClipped, Rounding.NEAREST, false);
    }

    static Case averaged(UpdateRule rule) {
      return new Case(rule, StateType.FLOAT32, MasterWeights.NONE, false, Rounding.NEAREST, true);
    }

    static Case roundedAtRandom(UpdateRule rule) {
      return new Case(
          rule, StateType.FLOAT32, MasterWeights.NONE, false, Rounding.STOCHASTIC, false);
    }

    Optimizer optimizer(Parameters parameters) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(RATE);
      if (state != StateType.FLOAT32) {
        builder.stateType(state);
      }
      if (masters != MasterWeights.NONE) {
        builder.masterWeights(masters);
      }
      if (isClipped) {
        builder.clipNorm(1);
      }
      if (rounding != Rounding.NEAREST) {
        builder.rounding(rounding, SEED);
      }
      if (hasAverage) {
        builder.average(0.5);
      }
      return builder.build();
    }

    /** The state that begins as a copy of the parameters. */
    List<String> copies() {
      if (hasAverage) {
        return List.of("average");
      }
      return rule.slowWeights().isPresent() ? List.of("slow_params") : List.of();
    }

    @Override
    public String toString() {
      String clipping = isClipped ? ", clipped" : "";
      String average = hasAverage ? ", averaged" : "";
      return rule.name() + ", state " + state + ", masters " + masters + clipping + average;
    }
  }

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

  /**
   * The chunks of a huge tensor after two steps, one between them, which is 0, and those of
   * averages or slow weights, if there are any.
   */
  private static List<float[]> trained(Device device, Case one) {
    List<float[]> found = new ArrayList<>();
    try (Parameters parameters =
            Parameters.on(device)
                .add("p", ElementType.BFLOAT16, LENGTH)
                .shape("p", ROWS, COLUMNS)
                .build();
        Optimizer optimizer = one.optimizer(parameters)) {
      for (int chunk = 0; chunk < FROM.length; chunk++) {
        fill(parameters, "p", FROM[chunk], chunk);
      }
      optimizer.step();
      optimizer.step();
      for (long from : FROM) {
        found.add(parameters.get("p").values().slice(from, length(from)).toFloats());
      }
      found.add(parameters.get("p").values().slice(LENGTH / 2, CHUNK).toFloats());
      for (String copy : one.copies()) {
        for (long from : FROM) {
          found.add(optimizer.state("p", copy).slice(from, length(from)).toFloats());
        }
      }
    }
    for (int chunk = 0; chunk < FROM.length; chunk++) {
      float[] before = numbers(chunk, length(FROM[chunk]));
      assertFalse(Arrays.equals(before, found.get(chunk)), "moved");
    }
    assertArrayEquals(new float[CHUNK], found.get(FROM.length));
    return found;
  }

  static Stream<Arguments> backendsAndUpdates() {
    return onEach(
        new Case(Sgd.sgd()),
        new Case(Lion.lion(), StateType.BFLOAT16),
        new Case(Momentum.heavyBall(0.9), StateType.INT8, MasterWeights.BITS_24, false),
        new Case(Adam.adamW(), StateType.INT8),
        Case.averaged(Sgd.sgd()),
        new Case(Lookahead.around(Sgd.sgd()).k(1)));
  }

  static Stream<Arguments> backendsAndSums() {
    return onEach(
        new Case(Sgd.sgd(), StateType.FLOAT32, MasterWeights.NONE, true),
        new Case(Lars.lars().weightDecay(0.5).trustCoeff(0.5)),
        new Case(Lamb.lamb(), StateType.INT8),
        new Case(NovoGrad.novoGrad(), StateType.INT8));
  }

  static Stream<Arguments> backendsAndMeans() {
    return onEach(
        new Case(StableAdamW.stableAdamW(), StateType.INT8),
        new Case(Adam.adamW().caution(true), StateType.INT8),
        new Case(Adafactor.adafactor()));
  }

  private static Stream<Arguments> onEach(Case... cases) {
    return ContractBackend.secondWays().stream()
        .flatMap(backend -> Arrays.stream(cases).map(one -> Arguments.of(backend, one)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndUpdates")
  void chunksAreUpdatedAsSmallTensors(ContractBackend backend, Case one) {
    List<float[]> found = trained(backend.shared(), one);
    for (int chunk = 0; chunk < FROM.length; chunk++) {
      int n = length(FROM[chunk]);
      try (Device cpu = Devices.cpu(1);
          Parameters parameters = Parameters.on(cpu).add("p", ElementType.BFLOAT16, n).build();
          Optimizer optimizer = one.optimizer(parameters)) {
        fill(parameters, "p", 0, chunk);
        optimizer.step();
        optimizer.step();
        assertArrayEquals(parameters.get("p").values().toFloats(), found.get(chunk));
        for (String copy : one.copies()) {
          float[] expected = optimizer.state("p", copy).toFloats();
          assertArrayEquals(expected, found.get(FROM.length + 1 + chunk), copy);
        }
      }
    }
  }

  static Stream<ContractBackend> backends() {
    return ContractBackend.secondWays().stream();
  }

  /** Random numbers follow from an element's index, which is more than an int holds. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void roundingAtRandomKnowsTheElement(ContractBackend backend) {
    Case one = Case.roundedAtRandom(Sgd.sgd());
    List<float[]> found = trained(backend.shared(), one);
    for (int chunk = 0; chunk < FROM.length; chunk++) {
      int n = length(FROM[chunk]);
      float[] expected = numbers(chunk, n);
      float[] gradients = numbers(10 + chunk, n);
      for (int step = 1; step <= 2; step++) {
        for (int i = 0; i < n; i++) {
          float moved = Math.fma((float) -RATE, gradients[i], expected[i]);
          int bits = ReferenceRandom.bits(SEED, step, 0, 0, FROM[chunk] + i);
          expected[i] = (float) ReferenceRandom.round(moved, bits);
        }
      }
      assertArrayEquals(expected, found.get(chunk), "from element " + FROM[chunk]);
    }
  }

  /**
   * Sums over all leaves, which are more than 2^19, have the bits of one thread, and the elements
   * that are not 0 are added up: a tensor of these alone has the same sums but for the order.
   */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndSums")
  void sumsAreThoseOfTheChunks(ContractBackend backend, Case one) {
    List<float[]> found = trained(backend.shared(), one);
    hasTheBitsOfOneThread(one, found);
    int all = Arrays.stream(FROM).mapToInt(HugeTest::length).sum();
    try (Device cpu = Devices.cpu(1);
        Parameters parameters = Parameters.on(cpu).add("p", ElementType.BFLOAT16, all).build();
        Optimizer optimizer = one.optimizer(parameters)) {
      int at = 0;
      for (int chunk = 0; chunk < FROM.length; chunk++) {
        fill(parameters, "p", at, chunk);
        at += length(FROM[chunk]);
      }
      optimizer.step();
      optimizer.step();
      float[] expected = parameters.get("p").values().toFloats();
      at = 0;
      for (int chunk = 0; chunk < FROM.length; chunk++) {
        for (float value : found.get(chunk)) {
          // As sums differ in their last bits, a value may be rounded the other way, twice.
          float tolerance = 2 * Math.ulp(expected[at]) * (1 << 16) + 0x1p-20f;
          assertEquals(expected[at], value, tolerance, one + ", element " + at);
          at++;
        }
      }
    }
  }

  /** What divides by the number of elements knows no smaller tensor that is the same. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndMeans")
  void meansHaveTheBitsOfOneThread(ContractBackend backend, Case one) {
    hasTheBitsOfOneThread(one, trained(backend.shared(), one));
  }

  private static void hasTheBitsOfOneThread(Case one, List<float[]> found) {
    try (Device cpu = Devices.cpu(1)) {
      List<float[]> expected = trained(cpu, one);
      for (int i = 0; i < expected.size(); i++) {
        assertArrayEquals(expected.get(i), found.get(i));
      }
    }
  }
}
