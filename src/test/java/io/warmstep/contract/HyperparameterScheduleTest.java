package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Hyperparameters that schedules move: each step is that of a rule with the step's numbers. */
class HyperparameterScheduleTest {
  private static final String REPRESENTATIVES =
      "io.warmstep.testkit.ContractBackend#representatives";
  private static final int LENGTH = 1_003;
  private static final int STEPS = 6;

  static Stream<Arguments> runs() {
    return ContractBackend.representatives().stream()
        .flatMap(backend -> RuleMatrix.entries().stream().map(rule -> Arguments.of(backend, rule)));
  }

  /** Goes up and down between 0.3 and 0.9; a weight decay is 0 in some steps. */
  private static Schedule schedule(String name) {
    return name.equals("weightDecay")
        ? step -> step % 3 == 2 ? 0 : 0.01 * step
        : step -> 0.3 + 0.6 * (step * name.length() % 5) / 5;
  }

  private static OptimizerBuilder builder(Parameters parameters, UpdateRule rule) {
    ParameterGroup bias = ParameterGroup.matching("*.bias").learningRateFactor(0.5);
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(0.1)
        .clipNorm(2)
        .group(RuleSettings.has(rule, "weightDecay") ? bias.weightDecay(0.25) : bias);
  }

  private static Parameters parameters(Device device) {
    return parameters(device, List.of(ElementType.values()));
  }

  private static Parameters parameters(Device device, List<ElementType> types) {
    ParametersBuilder builder = Parameters.on(device);
    for (ElementType type : types) {
      builder.add(type + ".weight", type, LENGTH).add(type + ".bias", type, 7);
      builder.shape(type + ".weight", Shapes.of(LENGTH)).shape(type + ".bias", Shapes.of(7));
    }
    Parameters parameters = builder.build();
    fill(parameters, 0, false);
    return parameters;
  }

  private static void fill(Parameters parameters, int seed, boolean areGradients) {
    SplittableRandom random = new SplittableRandom(seed);
    for (Parameter parameter : parameters) {
      ElementType type = parameter.values().type();
      double[] numbers = Numbers.ordinary(random, type, (int) parameter.length());
      (areGradients ? parameter.gradients() : parameter.values()).copyFrom(numbers);
    }
  }

  /** One optimizer for each step, of a rule that has that step's numbers. */
  private static void stepsOfRules(Parameters parameters, UpdateRule rule) {
    Map<String, double[]> state = new HashMap<>();
    for (int step = 1; step <= STEPS; step++) {
      Map<String, Double> numbers = new LinkedHashMap<>();
      for (String name : rule.movable()) {
        numbers.put(name, schedule(name).rate(step));
      }
      UpdateRule its = RuleSettings.with(rule, numbers);
      // What a rule keeps for a group follows from the steps so far, each with its own numbers.
      OptimizerBuilder builder =
          rule.keptNumbers().isEmpty() ? builder(parameters, its) : moving(parameters, rule);
      try (Optimizer optimizer = builder.startAfter(step - 1).build()) {
        for (Parameter parameter : parameters) {
          for (String slot : optimizer.stateNames(parameter.name())) {
            double[] saved = state.get(parameter.name() + slot);
            if (saved != null) {
              optimizer.state(parameter.name(), slot).copyFrom(saved);
            } else {
              optimizer.state(parameter.name(), slot);
            }
          }
        }
        fill(parameters, step, true);
        optimizer.step();
        for (Parameter parameter : parameters) {
          for (String slot : optimizer.stateNames(parameter.name())) {
            state.put(parameter.name() + slot, optimizer.state(parameter.name(), slot).toDoubles());
          }
        }
      }
    }
  }

  private static OptimizerBuilder moving(Parameters parameters, UpdateRule rule) {
    OptimizerBuilder builder = builder(parameters, rule);
    rule.movable().forEach(name -> builder.schedule(name, schedule(name)));
    return builder;
  }

  private static void steps(Optimizer optimizer, Parameters parameters, int from, int to) {
    for (int step = from; step <= to; step++) {
      fill(parameters, step, true);
      optimizer.step();
    }
  }

  private static void assertSame(Parameters expected, Parameters actual) {
    for (Parameter parameter : expected) {
      assertArrayEquals(
          parameter.values().toDoubles(),
          actual.get(parameter.name()).values().toDoubles(),
          parameter.name());
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("runs")
  void eachStepIsThatOfARuleWithItsNumbers(ContractBackend backend, UpdateRule rule) {
    Device device = backend.shared();
    List<ElementType> types = backend.typesFor(rule);
    try (Parameters expected = parameters(device, types);
        Parameters actual = parameters(device, types);
        Optimizer optimizer = moving(actual, rule).build()) {
      stepsOfRules(expected, rule);
      steps(optimizer, actual, 1, STEPS);
      assertSame(expected, actual);
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("runs")
  void aRunThatIsRestoredGoesOn(ContractBackend backend, UpdateRule rule) throws IOException {
    Device device = backend.shared();
    List<ElementType> types = backend.typesFor(rule);
    BytesChannel file = new BytesChannel();
    try (Parameters expected = parameters(device, types);
        Parameters actual = parameters(device, types);
        Optimizer whole = moving(expected, rule).build()) {
      steps(whole, expected, 1, 2);
      whole.checkpoint().save(file);
      steps(whole, expected, 3, STEPS);
      file.position(0);
      try (Optimizer second = moving(actual, rule).build()) {
        RestoreReport report = second.checkpoint().restore(file);
        assertEquals(List.of(), report.notes());
        steps(second, actual, 3, STEPS);
      }
      assertSame(expected, actual);
    }
  }

  /** A plateau schedule's state goes along; the file has what the last step used. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(REPRESENTATIVES)
  void aPlateauOfAHyperparameterIsSaved(ContractBackend backend) throws IOException {
    Device device = backend.shared();
    BytesChannel file = new BytesChannel();
    PlateauSchedule first = Schedules.reduceOnPlateau(0.5).patience(0).factor(0.5);
    PlateauSchedule second = Schedules.reduceOnPlateau(0.5).patience(0).factor(0.5);
    try (Parameters parameters = parameters(device);
        Optimizer before =
            builder(parameters, Adam.adamW()).schedule("weightDecay", first).build();
        Optimizer after =
            builder(parameters, Adam.adamW()).schedule("weightDecay", second).build()) {
      for (int i = 0; i < 3; i++) {
        before.step();
        first.report(1);
      }
      before.checkpoint().save(file);
      file.position(0);
      assertEquals(List.of(), after.checkpoint().restore(file).notes());
      assertEquals(first.state(), second.state());
      assertEquals(0.125, second.rate(4));
      file.position(0);
      try (CheckpointReader reader = CheckpointReader.open(file)) {
        assertEquals(0.125, number(reader, "param_groups.float32.weight.weight_decay"));
        assertEquals(0.25, number(reader, "param_groups.float32.bias.weight_decay"));
      }
      file.position(0);
      try (Optimizer plain = builder(parameters, Adam.adamW()).build()) {
        List<String> notes = plain.checkpoint().restore(file).notes();
        assertEquals(3, notes.size(), notes.toString());
        assertTrue(notes.get(0).endsWith(" is 0.125 in the file, 0.01 here: 0.125 is taken"));
        assertEquals(
            "the schedules of hyperparameters here are kept, {}; the file was saved under"
                + " {weightDecay=}",
            notes.get(1));
        assertTrue(notes.get(2).startsWith("the file has the state of 1 plateau schedules"));
      }
    }
  }

  private static double number(CheckpointReader reader, String name) throws IOException {
    double[] value = new double[1];
    reader.read(reader.tensor(name).orElseThrow(), 0, value, 0, 1);
    return value[0];
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(REPRESENTATIVES)
  void aNumberOutOfRangeIsRefusedBeforeAnythingChanges(ContractBackend backend) {
    Device device = backend.shared();
    try (Parameters parameters = parameters(device);
        Parameters untouched = parameters(device);
        Optimizer optimizer =
            builder(parameters, Adam.adam())
                .schedule("beta1", step -> step == 1 ? 0.5 : 1)
                .schedule("weightDecay", Schedules.constant(0.1))
                .build()) {
      fill(parameters, 1, true);
      optimizer.step();
      fill(untouched, 1, true);
      try (Optimizer one =
          builder(untouched, Adam.adam().betas(0.5, 0.999).weightDecay(0.1)).build()) {
        one.step();
      }
      assertEquals(
          "the schedule gives beta1 1.0 at step 2, must be in [0, 1)",
          assertThrows(IllegalStateException.class, optimizer::step).getMessage());
      assertSame(untouched, parameters);
      assertEquals(1, optimizer.stepCount());
      OptimizerBuilder negative =
          builder(parameters, Adam.adam()).schedule("weightDecay", step -> -1);
      assertEquals(
          "the schedule gives weightDecay -1.0 at step 1, must be finite and at least 0",
          assertThrows(IllegalArgumentException.class, negative::build).getMessage());
      OptimizerBuilder tiny = builder(parameters, Sgd.sgd()).schedule("weightDecay", step -> 1e-60);
      assertThrows(IllegalArgumentException.class, tiny::build);
      OptimizerBuilder none = builder(parameters, Sgd.sgd()).schedule("momentum", step -> 0.5);
      assertEquals(
          "a schedule was set for \"momentum\", which none can move under Sgd[weightDecay=0.0,"
              + " maximize=false]: schedule one of weightDecay",
          assertThrows(IllegalArgumentException.class, none::build).getMessage());
    }
  }
}
