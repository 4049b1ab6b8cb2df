package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A restored run draws the random numbers of the saved one, however its optimizer was built. */
class RestoredRoundingTest {
  private static final List<String> NAMES = List.of("a", "b", "c");
  private static final List<String> OTHERS = List.of("c", "a", "b");

  /** What is rounded at random. */
  private enum Stored implements UnaryOperator<OptimizerBuilder> {
    PARAMETERS(builder -> builder.rule(Sgd.sgd())),
    STATE(builder -> builder.rule(Lamb.lamb()).stateType(StateType.BFLOAT16, 0)),
    MASTERS_AND_CODES(
        builder ->
            builder
                .rule(Adam.adamW())
                .masterWeights(MasterWeights.BITS_24)
                .stateType(StateType.INT8, 0));

    private final UnaryOperator<OptimizerBuilder> choices;

    Stored(UnaryOperator<OptimizerBuilder> choices) {
      this.choices = choices;
    }

    @Override
    public OptimizerBuilder apply(OptimizerBuilder builder) {
      return choices.apply(builder);
    }
  }

  static Stream<Arguments> backends() {
    return ContractBackend.inTurn(List.of(Stored.values()));
  }

  private static float[] random(String name, long seed) {
    SplittableRandom random = new SplittableRandom(seed * 31 + name.charAt(0));
    float[] numbers = new float[2048 + 1000 * (name.charAt(0) - 'a')];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) (2 * random.nextDouble() - 1);
    }
    return numbers;
  }

  private static Parameters parameters(Device device, List<String> names) {
    ParametersBuilder builder = Parameters.on(device);
    names.forEach(name -> builder.add(name, ElementType.BFLOAT16, random(name, 0)));
    return builder.build();
  }

  private static Optimizer optimizer(
      Parameters parameters, UnaryOperator<OptimizerBuilder> choices, long seed) {
    return choices
        .apply(Optimizer.of(parameters).learningRate(0.01))
        .rounding(Rounding.STOCHASTIC, seed)
        .build();
  }

  private static void steps(Parameters parameters, Optimizer optimizer, int from, int to) {
    for (int step = from; step <= to; step++) {
      for (Parameter parameter : parameters) {
        parameter.gradients().copyFrom(random(parameter.name(), step));
      }
      optimizer.step();
    }
  }

  /** The bits of parameters and state. */
  private static Map<String, Integer> bits(Parameters parameters, Optimizer optimizer) {
    Map<String, Integer> bits = new TreeMap<>();
    for (Parameter parameter : parameters) {
      String name = parameter.name();
      bits.put(name, Arrays.hashCode(parameter.values().toFloats()));
      for (String slot : optimizer.stateNames(name)) {
        bits.put(name + "." + slot, Arrays.hashCode(optimizer.state(name, slot).toFloats()));
      }
    }
    return bits;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whateverTheOrderAndTheSeed(ContractBackend backend, Stored stored) throws IOException {
    BytesChannel file = new BytesChannel();
    try (Device cpu = Devices.cpu(1);
        Parameters whole = parameters(cpu, NAMES);
        Optimizer throughout = optimizer(whole, stored, 9);
        Parameters others = parameters(backend.shared(), OTHERS);
        Optimizer restored = optimizer(others, stored, 1L << 40 | 7)) {
      steps(whole, throughout, 1, 2);
      throughout.checkpoint().save(file);
      steps(whole, throughout, 3, 5);
      steps(others, restored, 1, 1);
      file.position(0);
      restored.checkpoint().restore(file);
      steps(others, restored, 3, 5);
      assertEquals(bits(whole, throughout), bits(others, restored));
    }
  }

  /** Of parameters that are alike in all else. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void eachParameterHasRandomNumbersOfItsOwn(ContractBackend backend) {
    float[] same = random("a", 0);
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("x", ElementType.BFLOAT16, same)
                .add("y", ElementType.BFLOAT16, same)
                .build();
        Optimizer optimizer = optimizer(parameters, Stored.PARAMETERS, 5)) {
      parameters.forEach(parameter -> parameter.gradients().copyFrom(random("a", 1)));
      optimizer.step();
      float[] x = parameters.get("x").values().toFloats();
      float[] y = parameters.get("y").values().toFloats();
      long different = IntStream.range(0, x.length).filter(i -> x[i] != y[i]).count();
      assertTrue(different > x.length / 4 && different < x.length * 3 / 4, different + " differ");
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void reportsAreOfTheParametersThatTheyName(ContractBackend backend) throws IOException {
    List<StepReport> expected = new ArrayList<>();
    List<StepReport> actual = new ArrayList<>();
    BytesChannel file = new BytesChannel();
    try (Device cpu = Devices.cpu(1);
        Parameters whole = parameters(cpu, NAMES);
        Optimizer throughout =
            optimizer(whole, builder -> builder.rule(Sgd.sgd()).listener(expected::add, 1), 9);
        Parameters others = parameters(backend.shared(), OTHERS);
        Optimizer restored =
            optimizer(others, builder -> builder.rule(Sgd.sgd()).listener(actual::add, 1), 8)) {
      throughout.checkpoint().save(file);
      file.position(0);
      restored.checkpoint().restore(file);
      steps(whole, throughout, 1, 3);
      steps(others, restored, 1, 3);
      assertEquals(bits(whole, throughout), bits(others, restored));
    }
    assertEquals(3, actual.size());
    for (int i = 0; i < 3; i++) {
      StepReport.Update update = actual.get(i).updates().get(0);
      assertEquals(expected.get(i).updates().get(0).lost(), update.lost());
      assertEquals(expected.get(i).updates().get(0).largest(), update.largest());
      assertEquals(expected.get(i).updates().get(0).largestParameter(), update.largestParameter());
    }
  }
}
