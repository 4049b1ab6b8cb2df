package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backend on a million elements, against one thread of the processor (which {@link SplitTest}
 * compares with the reference at that size), and on many raw bit patterns, against the reference.
 * What is expected is computed once for all backends.
 */
class LargeParityTest {
  /**
   * Of which 11 rows of 90,910 are made for rules of matrices: a single column takes a GPU long.
   */
  private static final int MILLION = 1_000_010;

  private static final int STEPS = 5;
  private static final int SETTINGS = RuleMatrix.IS_FULL ? 2 : 1;
  private static final int PATTERNS = RuleMatrix.IS_FULL ? 1 << 22 : 1 << 18;
  private static final double RATE = 0.0123;

  /** Parameters and the gradients of each step, of a type; state starts at zero. */
  private static final Map<ElementType, List<double[]>> NUMBERS = new EnumMap<>(ElementType.class);

  /**
   * One form of each kernel, or all combinations of options: the other ones are ParityTest's, and
   * rules of matrices, whose products would take minutes, MatrixPhaseTest's.
   */
  static Stream<Arguments> rulesAndTypes() {
    List<UpdateRule> rules = RuleMatrix.IS_FULL ? RuleMatrix.all() : RuleMatrix.rich();
    return arguments(rules.stream().filter(rule -> rule.matrix().isEmpty()).toList());
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

  /** All backends if the matrix is full, otherwise the next one. */
  private static List<ContractBackend> backends(UpdateRule rule, ElementType type) {
    List<ContractBackend> all =
        ContractBackend.all().stream()
            .filter(backend -> backend.types().contains(type))
            // What is expected comes of it.
            .filter(backend -> !backend.name().equals("cpu, 1 thread"))
            .toList();
    int turn = RuleMatrix.rich().indexOf(rule) + type.ordinal();
    return RuleMatrix.IS_FULL ? all : List.of(all.get(turn % all.size()).forKernel(rule, type));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("rulesAndTypes")
  void aMillionElements(UpdateRule rule, ElementType type) {
    for (int seed = 0; seed < SETTINGS; seed++) {
      UpdateRule drawn = RuleMatrix.withOtherNumbers(rule, new SplittableRandom(seed));
      List<double[]> numbers = NUMBERS.computeIfAbsent(type, LargeParityTest::numbers);
      List<double[]> expected;
      try (Device cpu = Devices.cpu(1)) {
        expected = train(cpu, drawn, type, numbers.subList(0, 1), numbers.subList(1, 1 + STEPS));
      }
      for (ContractBackend backend : backends(rule, type)) {
        List<double[]> actual =
            train(
                backend.shared(),
                drawn,
                type,
                numbers.subList(0, 1),
                numbers.subList(1, 1 + STEPS));
        compare(expected, actual, backend + ", " + drawn + ", seed " + seed);
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("richRulesAndTypes")
  void rawBitPatterns(UpdateRule rule, ElementType type) {
    SplittableRandom random = new SplittableRandom(20);
    List<Long> shape = Arrays.stream(Shapes.of(PATTERNS)).boxed().toList();
    List<StateSlot> state = rule.stateSlots(2).stream().filter(StateSlot::isState).toList();
    int slots = state.size(); // before any that are room to work in
    List<double[]> start = new ArrayList<>();
    start.add(anyBits(random, type));
    for (StateSlot slot : state) {
      start.add(Arrays.copyOf(anyBits(random, type), (int) slot.length(shape)));
    }
    double[] gradients = anyBits(random, type);
    Reference reference = new Reference(rule, type, start.get(0));
    for (int i = 0; i < slots; i++) {
      reference.state(rule.stateSlots().indexOf(state.get(i)), start.get(1 + i));
    }
    reference.step(1, RATE, gradients);
    List<double[]> expected = new ArrayList<>(List.of(reference.parameters()));
    for (int i = 0; i < slots; i++) {
      expected.add(reference.state(rule.stateSlots().indexOf(state.get(i))));
    }
    for (ContractBackend backend : backends(rule, type)) {
      List<double[]> actual = train(backend.shared(), rule, type, start, List.of(gradients));
      compare(expected, actual, backend + ", raw bits");
    }
  }

  /** Starts from parameters and, if given, state; returns both. */
  private static List<double[]> train(
      Device device,
      UpdateRule rule,
      ElementType type,
      List<double[]> start,
      List<double[]> gradients) {
    int length = start.get(0).length;
    try (Parameters parameters =
            Shapes.give(Parameters.on(device).add("p", type, length), "p", length).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(RATE).build()) {
      List<String> slots = optimizer.stateNames("p");
      parameters.get("p").values().copyFrom(start.get(0));
      for (int i = 1; i < start.size(); i++) {
        optimizer.state("p", slots.get(i - 1)).copyFrom(start.get(i));
      }
      for (double[] gradient : gradients) {
        parameters.get("p").gradients().copyFrom(gradient);
        optimizer.step();
      }
      List<double[]> results = new ArrayList<>();
      results.add(parameters.get("p").values().toDoubles());
      slots.forEach(slot -> results.add(optimizer.state("p", slot).toDoubles()));
      return results;
    }
  }

  private static void compare(List<double[]> expected, List<double[]> actual, String what) {
    for (int i = 0; i < expected.size(); i++) {
      String where = what + (i == 0 ? ", parameters" : ", state " + i);
      Bits.assertSame(expected.get(i), actual.get(i), () -> where);
    }
  }

  private static List<double[]> numbers(ElementType type) {
    SplittableRandom random = new SplittableRandom(5);
    return Stream.generate(
            () ->
                random
                    .doubles(MILLION, -1, 1)
                    .map(x -> type == ElementType.FLOAT64 ? x : (float) x)
                    .toArray())
        .limit(1 + STEPS)
        .toList();
  }

  private static double[] anyBits(SplittableRandom random, ElementType type) {
    double[] values = new double[PATTERNS];
    for (int i = 0; i < PATTERNS; i++) {
      values[i] =
          type == ElementType.FLOAT64
              ? Double.longBitsToDouble(random.nextLong())
              : Float.intBitsToFloat(random.nextInt());
    }
    return values;
  }
}
