package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Masters and state in fewer bits through the life of rules that first add something up over each
 * tensor, besides the bits of single steps.
 */
class MixedSumsTest {
  /** Up to three leaves, whole and in part. */
  private static final int[] SIZES = {1, 33, 4096, 4130, 8200};

  @TempDir Path folder;

  /** The richest form of each such rule. */
  static List<UpdateRule> rules() {
    return RuleMatrix.rich().stream()
        .filter(rule -> rule.sums().isPresent() && !rule.isOfOneType())
        .toList();
  }

  /** MixedPrecisionTest has steps of these rules on other ways. */
  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(rules());
  }

  private static Parameters parameters(Device device, ElementType type) {
    SplittableRandom random = new SplittableRandom(1);
    ParametersBuilder builder = Parameters.on(device).gradientType(ElementType.FLOAT32);
    for (int i = 0; i < SIZES.length; i++) {
      double[] initial = Numbers.ordinary(random, ElementType.BFLOAT16, SIZES[i]);
      builder.add("p" + i, type, Numbers.floats(initial));
      Shapes.give(builder, "p" + i, SIZES[i]);
    }
    return builder.build();
  }

  private static OptimizerBuilder optimizer(
      Parameters parameters, UpdateRule rule, MasterWeights masters, StateType state) {
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(0.01)
        .masterWeights(masters)
        .stateType(state, 0);
  }

  private static void step(Parameters parameters, Optimizer optimizer, int count) {
    for (int i = 0; i < count; i++) {
      SplittableRandom random = new SplittableRandom(optimizer.stepCount());
      for (int j = 0; j < SIZES.length; j++) {
        double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, SIZES[j]);
        parameters.get("p" + j).gradients().copyFrom(gradients);
      }
      optimizer.step();
    }
  }

  /** All there is, or but for what masters add, so that runs can be compared to the bit. */
  private static List<float[]> everything(
      Parameters parameters, Optimizer optimizer, boolean masters) {
    List<float[]> all = new ArrayList<>();
    for (int i = 0; i < SIZES.length; i++) {
      Tensor values = parameters.get("p" + i).values();
      boolean hasMaster = masters && optimizer.stateNames("p" + i).contains("master");
      all.add((hasMaster ? optimizer.state("p" + i, "master") : values).toFloats());
      for (String slot : optimizer.stateNames("p" + i)) {
        if (!slot.equals("master")) {
          all.add(optimizer.state("p" + i, slot).toFloats());
        }
      }
    }
    return all;
  }

  private static void assertSame(List<float[]> expected, List<float[]> actual, String where) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), actual.get(i), where + ", tensor " + i);
    }
  }

  /**
   * Rules take turns, as on OpenCL each case is a program of its own; LAMB, whose first phase moves
   * state of both sorts, has all.
   */
  private static List<StateType> states(UpdateRule rule) {
    StateType[] all = StateType.values();
    int turn = rules().indexOf(rule) % all.length;
    return rule.name().equals("lamb") ? List.of(all) : List.of(all[turn]);
  }

  /** A bfloat16 parameter with an exact master trains as a float32 one does on the processor. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void exactMastersAreFloat32(ContractBackend backend, UpdateRule rule) {
    for (StateType state : states(rule)) {
      try (Device cpu = Devices.cpu(1);
          Parameters plain = parameters(cpu, ElementType.FLOAT32);
          Parameters half = parameters(backend.shared(), ElementType.BFLOAT16);
          Optimizer expected = optimizer(plain, rule, MasterWeights.NONE, state).build();
          Optimizer actual = optimizer(half, rule, MasterWeights.EXACT, state).build()) {
        step(plain, expected, 4);
        step(half, actual, 4);
        assertSame(
            everything(plain, expected, false),
            everything(half, actual, true),
            rule + ", " + state);
        for (int i = 0; i < SIZES.length; i++) {
          float[] values = plain.get("p" + i).values().toFloats();
          for (int j = 0; j < values.length; j++) { // to nearest, ties away from zero
            int bits = Float.floatToRawIntBits(values[j]) + 0x8000 & 0xffff0000;
            values[j] = Float.intBitsToFloat(bits);
          }
          assertArrayEquals(values, half.get("p" + i).values().toFloats(), rule + ", rounded");
        }
      }
    }
  }

  private static OptimizerBuilder rounding(Parameters parameters, UpdateRule rule) {
    return optimizer(parameters, rule, MasterWeights.BITS_24, StateType.INT8)
        .rounding(Rounding.STOCHASTIC, 77)
        .average(0.9);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void goesOnFromACheckpointWithTheSameBits(ContractBackend backend, UpdateRule rule)
      throws IOException {
    Path file = folder.resolve("a.safetensors");
    List<float[]> expected;
    try (Parameters parameters = parameters(backend.shared(), ElementType.BFLOAT16);
        Optimizer optimizer = rounding(parameters, rule).build()) {
      step(parameters, optimizer, 3);
      optimizer.save(file);
      step(parameters, optimizer, 2);
      expected = everything(parameters, optimizer, true);
    }
    try (Device cpu = Devices.cpu()) { // whatever wrote it
      for (Device device : List.of(backend.shared(), cpu)) {
        try (Parameters parameters = parameters(device, ElementType.BFLOAT16);
            Optimizer optimizer = rounding(parameters, rule).build()) {
          optimizer.restore(file);
          step(parameters, optimizer, 2);
          assertSame(expected, everything(parameters, optimizer, true), rule + ", " + device);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void skippedStepsChangeNothing(ContractBackend backend, UpdateRule rule) {
    try (Parameters parameters = parameters(backend.shared(), ElementType.BFLOAT16);
        Optimizer optimizer = rounding(parameters, rule).skipNonFinite(true).build()) {
      step(parameters, optimizer, 2);
      List<float[]> before = everything(parameters, optimizer, true);
      float[] gradients = new float[SIZES[3]];
      gradients[4100] = Float.NaN;
      parameters.get("p3").gradients().copyFrom(gradients);
      optimizer.step();
      assertEquals(1, optimizer.skippedSteps());
      assertSame(before, everything(parameters, optimizer, true), rule.toString());
    }
  }

  /** At a learning rate of 0 parameters and masters stay, and state moves. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void atARateOfZeroStateMovesAlone(ContractBackend backend, UpdateRule rule) {
    StateType state = states(rule).get(states(rule).size() - 1);
    try (Parameters parameters = parameters(backend.shared(), ElementType.BFLOAT16);
        Parameters still = parameters(backend.shared(), ElementType.BFLOAT16);
        Optimizer optimizer = optimizer(parameters, rule, MasterWeights.EXACT, state).build();
        Optimizer other =
            optimizer(still, rule, MasterWeights.EXACT, state)
                .learningRate(step -> step == 2 ? 0 : 0.01)
                .build()) {
      step(parameters, optimizer, 1);
      step(still, other, 1);
      List<float[]> before = new ArrayList<>();
      for (int i = 0; i < SIZES.length; i++) {
        before.add(other.state("p" + i, "master").toFloats());
      }
      step(parameters, optimizer, 1);
      step(still, other, 1);
      for (int i = 0; i < SIZES.length; i++) {
        assertArrayEquals(before.get(i), other.state("p" + i, "master").toFloats());
        if (!isScaledByRate(rule)) {
          for (StateSlot slot : rule.stateSlots()) {
            if (slot.isState()) {
              assertArrayEquals(
                  optimizer.state("p" + i, slot.name()).toFloats(),
                  other.state("p" + i, slot.name()).toFloats(),
                  rule + ", " + slot.name());
            }
          }
        }
      }
    }
  }

  /** LARS may divide its ratio by the rate, which its momentum then has. */
  private static boolean isScaledByRate(UpdateRule rule) {
    return rule.name().equals("lars");
  }
}
