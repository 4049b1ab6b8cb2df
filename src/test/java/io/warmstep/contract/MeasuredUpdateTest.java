package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.ReferenceTiles;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import io.warmstep.testkit.StoredForm;
import io.warmstep.testkit.TestModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Reports of updates against plain loops over what callers read, to the bit, on every backend. */
class MeasuredUpdateTest {
  /** Tiles of 2048 elements, parts of them, and several. */
  private static final int[] LENGTHS = {1, 1025, 31, 2048, 1024, 6001, 2047, 2049, 17_003};

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.ofEachShape());
  }

  static Stream<ContractBackend> backends() {
    return ContractBackend.all().stream();
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void anyRule(ContractBackend backend, UpdateRule rule) {
    SplittableRandom random = new SplittableRandom(3);
    try (TestModel model = new TestModel(backend.shared())) {
      List<ElementType> types = backend.typesFor(rule);
      for (ElementType type : types) {
        addAll(model, type, random, backend.placements());
      }
      check(model, types, Optimizer.of(model.parameters()).rule(rule).zeroGradients(true));
    }
  }

  /** Where gradients are clipped one by one, and stay as they are. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void gradientsCountAsTheyLie(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(4);
    try (TestModel model = new TestModel(backend.shared())) {
      addAll(model, ElementType.FLOAT32, random, backend.placements());
      OptimizerBuilder builder = Optimizer.of(model.parameters()).rule(Sgd.sgd());
      check(model, List.of(ElementType.FLOAT32), builder.clipValue(0.25).clipNorm(3));
    }
  }

  /** By a factor of each tensor, which its update multiplies gradients by. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void clippedAdaptively(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(11);
    try (TestModel model = new TestModel(backend.shared())) {
      addAll(model, ElementType.FLOAT32, random, backend.placements());
      OptimizerBuilder builder = Optimizer.of(model.parameters()).rule(Adam.adamW());
      check(model, List.of(ElementType.FLOAT32), builder.adaptiveClip(0.01).zeroGradients(true));
    }
  }

  /** After some steps these change parameters once more. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void slowWeightsArePartOfTheStep(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(5);
    try (TestModel model = new TestModel(backend.shared())) {
      List<ElementType> types = List.of(ElementType.FLOAT32, ElementType.BFLOAT16);
      types.forEach(type -> addAll(model, type, random, List.of(Placement.OWNED)));
      UpdateRule rule = Lookahead.around(Momentum.heavyBall(0.5)).k(2);
      check(model, types, Optimizer.of(model.parameters()).rule(rule).zeroGradients(true));
    }
  }

  /** One group measures itself and the other is compared with copies, in one step. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void slowWeightsBesideOthers(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(9);
    try (TestModel model = new TestModel(backend.shared())) {
      for (String kind : List.of("slow", "plain")) {
        for (int length : LENGTHS) {
          double[] values = Numbers.ordinary(random, ElementType.FLOAT32, length);
          model.add(kind + " " + length, ElementType.FLOAT32, Placement.OWNED, values);
        }
      }
      UpdateRule slow = Lookahead.around(Momentum.heavyBall(0.5)).k(2);
      checkGroups(
          model,
          List.of("slow", "plain"),
          Optimizer.of(model.parameters())
              .rule(Adam.adam())
              .group(ParameterGroup.matching("slow *").rule(slow))
              .group(ParameterGroup.matching("plain *"))
              .zeroGradients(true));
    }
  }

  /** The average moves in the same pass and is no part of what is measured. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void besideAnAverage(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(10);
    try (TestModel model = new TestModel(backend.shared())) {
      addAll(model, ElementType.FLOAT32, random, backend.placements());
      OptimizerBuilder builder = Optimizer.of(model.parameters()).rule(Adam.adamW());
      check(model, List.of(ElementType.FLOAT32), builder.average(0.9));
    }
  }

  /** Beyond the arrays that a long tensor is cut into, and the rows that are read at a time. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void longTensors(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(6);
    ElementType type = ElementType.FLOAT32;
    try (Device device = backend.open();
        TestModel model = new TestModel(device)) {
      for (int length : new int[] {1001, 2_200_000, 300_001}) {
        model.add(
            type + " " + length, type, Placement.OWNED, Numbers.ordinary(random, type, length));
      }
      check(
          model,
          List.of(type),
          Optimizer.of(model.parameters()).rule(Adam.adamW()).zeroGradients(true));
    }
  }

  /** Among them subnormal numbers, infinities and NaN, and squares out of range. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void anyNumbers(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(7);
    for (ElementType type : backend.types()) {
      for (int i = 0; i < LENGTHS.length; i++) {
        try (TestModel model = new TestModel(backend.shared())) {
          int length = LENGTHS[i];
          double[] values =
              i % 2 == 0
                  ? Numbers.adversarial(random, type, length)
                  : Numbers.ordinary(random, type, length);
          model.add(type + " a", type, Placement.OWNED, values);
          double[] gradients = Numbers.adversarial(random, type, length);
          List<ElementType> types = List.of(type);
          step(
              model,
              named(types),
              grouped(Optimizer.of(model.parameters()).rule(Sgd.sgd()), types),
              List.of(Map.of(type + " a", gradients)));
        }
      }
    }
  }

  /** A rule and how its operands are stored. */
  private record Storing(UpdateRule rule, StoredForm form) {}

  static Stream<Arguments> backendsAndForms() {
    List<UpdateRule> rules =
        RuleMatrix.ofEachShape().stream().filter(rule -> !rule.isOfOneType()).toList();
    List<StoredForm> forms = new ArrayList<>(StoredForm.ofEachChoice());
    forms.add(StoredForm.plain(ElementType.BFLOAT16));
    forms.add(StoredForm.plain(ElementType.FLOAT16));
    List<UpdateRule> withSquares = // which all forms can store
        rules.stream()
            .filter(
                rule ->
                    rule.stateSlots().stream()
                        .anyMatch(slot -> slot.content() == StateSlot.Content.SQUARE))
            .toList();
    List<Storing> cases = new ArrayList<>();
    for (int i = 0; i < Math.max(withSquares.size(), forms.size()); i++) {
      cases.add(new Storing(withSquares.get(i % withSquares.size()), forms.get(i % forms.size())));
    }
    for (UpdateRule rule : rules) { // whose reported steps may be those of another kernel
      cases.add(new Storing(rule, StoredForm.plain(ElementType.FLOAT32)));
    }
    return ContractBackend.inTurn(cases);
  }

  /**
   * What every step changes and reports is the processor's: with clipping, an average, gradients of
   * which some are not finite, and parameters that begin anywhere.
   */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void anyWayToStore(ContractBackend backend, Storing storing) {
    List<Object> actual = stored(backend.shared(), storing);
    try (Device java = Devices.cpu(1)) {
      assertEquals(stored(java, storing), actual);
    }
  }

  private static List<Object> stored(Device device, Storing storing) {
    StoredForm form = storing.form();
    SplittableRandom random = new SplittableRandom(12);
    ParametersBuilder added = Parameters.on(device).gradientType(form.gradients());
    for (int i = 0; i < LENGTHS.length; i++) {
      double[] values = Numbers.ordinary(random, ElementType.FLOAT32, LENGTHS[i]);
      added.add(i % 2 + " " + i, form.values(), Numbers.floats(values));
      Shapes.give(added, i % 2 + " " + i, LENGTHS[i]);
    }
    List<Object> all = new ArrayList<>();
    try (Parameters parameters = added.build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(storing.rule())
              .group(ParameterGroup.matching("1 *").learningRateFactor(2))
              .learningRate(1e-3)
              .masterWeights(form.masters())
              .stateType(form.state(), 0)
              .rounding(form.rounding(), 5)
              .clipValue(0.5)
              .listener(all::add, 1);
      if (storing.rule().evaluation().isEmpty()
          && !form.equals(StoredForm.plain(ElementType.FLOAT32))) {
        builder.average(0.9);
      }
      try (Optimizer optimizer = builder.build()) {
        for (int step = 0; step < 3; step++) {
          for (Parameter parameter : parameters) {
            int length = (int) parameter.length();
            double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, length);
            for (int i = 0; i < length; i++) {
              gradients[i] *= i % 5 == 1 ? 0 : Math.scalb(1, -(i % 23));
            }
            if (step == 2) {
              gradients[length / 2] = Double.NaN;
              gradients[length / 3] = Double.NEGATIVE_INFINITY;
            }
            parameter.gradients().copyFrom(Numbers.floats(gradients));
          }
          optimizer.step();
          optimizer.flushReports();
          for (Parameter parameter : parameters) {
            all.add(bits(parameter.values()));
            for (String slot : optimizer.stateNames(parameter.name())) {
              all.add(bits(optimizer.state(parameter.name(), slot)));
            }
          }
        }
      }
    }
    return all;
  }

  /** Those of the numbers that are stored, of which all NaN are the same. */
  private static List<Float> bits(Tensor tensor) {
    List<Float> numbers = new ArrayList<>();
    for (float number : tensor.toFloats()) {
      numbers.add(number);
    }
    return numbers;
  }

  private static void addAll(
      TestModel model, ElementType type, SplittableRandom random, List<Placement> placements) {
    for (int i = 0; i < LENGTHS.length; i++) {
      Placement placement = placements.get(i / 2 % placements.size());
      double[] values = Numbers.ordinary(random, type, LENGTHS[i]);
      model.add(type + " " + i, type, placement, values);
    }
  }

  /** Some steps with gradients of all sizes. */
  private static void check(TestModel model, List<ElementType> types, OptimizerBuilder builder) {
    checkGroups(model, named(types), grouped(builder, types));
  }

  private static List<String> named(List<ElementType> types) {
    return types.stream().map(ElementType::toString).toList();
  }

  private static OptimizerBuilder grouped(OptimizerBuilder builder, List<ElementType> types) {
    named(types).forEach(name -> builder.group(ParameterGroup.matching(name + " *")));
    return builder;
  }

  /** The same where the builder's groups have these names, with which their parameters begin. */
  private static void checkGroups(TestModel model, List<String> groups, OptimizerBuilder builder) {
    SplittableRandom random = new SplittableRandom(8);
    List<Map<String, double[]>> steps = new ArrayList<>();
    for (int step = 0; step < 3; step++) {
      Map<String, double[]> all = new LinkedHashMap<>();
      for (Parameter parameter : model.parameters()) {
        ElementType type = parameter.values().type();
        double[] gradients = Numbers.ordinary(random, type, (int) parameter.length());
        for (int i = 0; i < gradients.length; i++) {
          double scaled = i % 7 == 3 ? 0 : Math.scalb(gradients[i], -(i % 16));
          gradients[i] = Numbers.round(type, scaled);
        }
        all.put(parameter.name(), gradients);
      }
      steps.add(all);
    }
    step(model, groups, builder, steps);
  }

  private static void step(
      TestModel model,
      List<String> groups,
      OptimizerBuilder builder,
      List<Map<String, double[]>> steps) {
    List<StepReport> reports = new ArrayList<>();
    try (Optimizer optimizer = builder.learningRate(1e-3).listener(reports::add, 1).build()) {
      for (Map<String, double[]> gradients : steps) {
        Map<String, double[]> before = values(model);
        gradients.forEach(model::gradients);
        optimizer.step();
        Map<String, double[]> after = values(model);
        optimizer.flushReports();
        List<StepReport.Update> expected = new ArrayList<>();
        for (String group : groups) {
          List<ReferenceTiles> members = new ArrayList<>();
          for (Parameter parameter : model.parameters()) {
            String name = parameter.name();
            if (name.startsWith(group + " ")) {
              ElementType type = parameter.values().type();
              members.add(
                  new ReferenceTiles(
                      name, type, before.get(name), after.get(name), gradients.get(name)));
            }
          }
          expected.add(ReferenceTiles.update(group + " *", members));
        }
        List<StepReport.Update> updates = reports.get(reports.size() - 1).updates();
        assertEquals(expected, updates, () -> "step " + optimizer.stepCount());
        assertTrue(steps.size() == 1 || updates.get(0).toWeight() > 0, updates.toString());
      }
    }
  }

  private static Map<String, double[]> values(TestModel model) {
    Map<String, double[]> values = new LinkedHashMap<>();
    model.parameters().forEach(one -> values.put(one.name(), model.values(one.name())));
    return values;
  }
}
