package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Lion;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import io.warmstep.testkit.TestModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Rules that add something up over each tensor, at the edges of tensors, leaves and numbers. */
class TensorSumsTest {
  private static final double RATE = 0.0123;
  private static final int STEPS = 3;
  private static final int CHUNK = 1 << 16;

  static Stream<Arguments> backendsAndForms() {
    return ContractBackend.inTurn(
        RuleMatrix.all().stream().filter(rule -> rule.sums().isPresent()).toList());
  }

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(
        RuleMatrix.unclipped().stream().filter(rule -> rule.sums().isPresent()).toList());
  }

  /** A rule of norms and one of magnitudes: how they join leaves does not depend on the rule. */
  static Stream<Arguments> backendsAndKinds() {
    List<UpdateRule> rules = List.of(Lars.lars(), Lion.lion().caution(true));
    return RuleMatrix.IS_FULL ? backendsAndRules() : ContractBackend.inTurn(rules);
  }

  private static double[] filled(int length, double value) {
    double[] values = new double[length];
    Arrays.fill(values, value);
    return values;
  }

  /** A tensor's values, and a multiple of them for its gradients. */
  private record Case(String name, double[] values, double[] gradients) {}

  private static List<Case> cases(ElementType type, SplittableRandom random) {
    Map<String, double[]> values = new LinkedHashMap<>();
    for (int length : new int[] {0, 1, 2, 33, 4095, 4096, 4097, 8193}) {
      values.put("of" + length, Numbers.ordinary(random, type, length));
    }
    double large = type == ElementType.FLOAT16 ? 6e4 : type == ElementType.FLOAT64 ? 1e300 : 2e38;
    double tiny = type == ElementType.FLOAT16 ? 6e-8 : type == ElementType.FLOAT64 ? 1e-310 : 1e-40;
    double[] mixed = Numbers.ordinary(random, type, 4500);
    mixed[4100] = Numbers.round(type, large);
    List<Case> cases = new ArrayList<>();
    values.forEach((name, v) -> cases.add(new Case(name, v, reversed(v))));
    double[] some = Numbers.ordinary(random, type, 4097);
    double[] none = new double[4097];
    double[] holed = some.clone();
    holed[4096] = Double.NaN;
    double[] endless = some.clone();
    endless[3] = Double.NEGATIVE_INFINITY;
    cases.add(new Case("zeros", none, none));
    cases.add(new Case("zero_values", none, some));
    cases.add(new Case("zero_gradients", some, none));
    cases.add(new Case("nan_value", holed, some));
    cases.add(new Case("nan_gradient", some, holed));
    cases.add(new Case("infinite_value", endless, some));
    cases.add(new Case("infinite_gradient", some, endless));
    cases.add(new Case("large", filled(4097, Numbers.round(type, large)), some));
    cases.add(new Case("large_gradient", some, filled(4097, Numbers.round(type, large))));
    cases.add(new Case("tiny", filled(4097, Numbers.round(type, tiny)), some));
    cases.add(new Case("tiny_gradient", some, filled(4097, Numbers.round(type, tiny))));
    cases.add(new Case("mixed", mixed, reversed(mixed)));
    cases.add(new Case("one", new double[] {1.5}, new double[] {-0.25}));
    cases.add(new Case("one_zero", new double[] {0}, new double[] {0}));
    return cases;
  }

  private static double[] reversed(double[] values) {
    double[] reversed = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      reversed[i] = values[values.length - 1 - i];
    }
    return reversed;
  }

  /**
   * All types, or of rules of matrices, whose products take long, one for each form in turn:
   * RuleBitsTest has these with every type, and MatrixPhaseTest their products.
   */
  private static List<ElementType> types(ContractBackend backend, UpdateRule rule) {
    List<ElementType> types = backend.types();
    return RuleMatrix.IS_FULL || rule.matrix().isEmpty()
        ? types
        : List.of(types.get(RuleMatrix.all().indexOf(rule) % types.size()));
  }

  /** All tensors in one optimizer: none has a part in another's sums. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void everyTensorHasItsOwnSums(ContractBackend backend, UpdateRule rule) {
    for (ElementType type : types(backend, rule)) {
      List<Case> cases = cases(type, new SplittableRandom(5));
      ContractBackend way = backend.forKernel(rule, type);
      try (TestModel model = new TestModel(way.shared())) {
        for (int i = 0; i < cases.size(); i++) {
          Case one = cases.get(i);
          model.add(one.name, type, i % 3 == 2 ? backend.guarded() : Placement.OWNED, one.values);
        }
        model.follow(rule);
        try (Optimizer optimizer =
            Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
          for (int step = 1; step <= STEPS; step++) {
            for (Case one : cases) {
              model.gradients(one.name, one.gradients);
              model.reference(one.name).step(step, RATE, one.gradients);
            }
            optimizer.step();
            model.check(optimizer, way + ", " + type);
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void aSkippedStepLeavesAllStateAsItIs(ContractBackend backend, UpdateRule rule) {
    double[] values = Numbers.ordinary(new SplittableRandom(1), ElementType.FLOAT32, 5000);
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("p", floats(values))
                .add("q", new float[7])
                .shape("p", Shapes.of(5000))
                .shape("q", Shapes.of(7))
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(rule).learningRate(RATE).skipNonFinite(true).build()) {
      parameters.get("p").gradients().copyFrom(values);
      optimizer.step();
      List<double[]> before = everything(parameters, optimizer);
      parameters.get("q").gradients().copyFrom(new float[] {1, 2, Float.NaN, 4, 5, 6, 7});
      optimizer.step();
      assertTrue(optimizer.isLastStepSkipped());
      List<double[]> after = everything(parameters, optimizer);
      for (int i = 0; i < before.size(); i++) {
        int index = i;
        Bits.assertSame(before.get(i), after.get(i), () -> rule + ", tensor " + index);
      }
    }
  }

  private static List<double[]> everything(Parameters parameters, Optimizer optimizer) {
    List<double[]> all = new ArrayList<>();
    parameters.forEach(
        parameter -> {
          all.add(parameter.values().toDoubles());
          for (String slot : optimizer.stateNames(parameter.name())) {
            all.add(optimizer.state(parameter.name(), slot).toDoubles());
          }
        });
    return all;
  }

  /** State goes on as if the rate were another, and a frozen group as if there were none. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void aFrozenGroupAndARateOfZero(ContractBackend backend, UpdateRule rule) {
    double[] values = Numbers.ordinary(new SplittableRandom(2), ElementType.FLOAT32, 4321);
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("frozen", floats(values))
                .add("still", floats(values))
                .add("moves", floats(values))
                .shape("frozen", Shapes.of(4321))
                .shape("still", Shapes.of(4321))
                .shape("moves", Shapes.of(4321))
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(RATE)
                .group(ParameterGroup.matching("frozen"))
                .group(ParameterGroup.matching("still").learningRateFactor(0))
                .zeroGradients(true)
                .build()) {
      optimizer.groups().freeze("frozen");
      for (int step = 0; step < 2; step++) {
        parameters.forEach(parameter -> parameter.gradients().copyFrom(floats(values)));
        optimizer.step();
      }
      Bits.assertSame(values, parameters.get("frozen").values().toDoubles(), () -> "frozen");
      Bits.assertSame(values, parameters.get("still").values().toDoubles(), () -> "still");
      assertFalse(Arrays.equals(values, parameters.get("moves").values().toDoubles()));
      Bits.assertSame(values, parameters.get("frozen").gradients().toDoubles(), () -> "kept");
      Bits.assertSame(
          new double[4321], parameters.get("still").gradients().toDoubles(), () -> "zeroed");
      for (String slot : optimizer.stateNames("frozen")) {
        Tensor frozen = optimizer.state("frozen", slot);
        Bits.assertSame(new double[(int) frozen.length()], frozen.toDoubles(), () -> slot);
        assertTrue(
            Arrays.stream(optimizer.state("still", slot).toDoubles()).anyMatch(x -> x != 0), slot);
      }
    }
  }

  /** So many leaves that nodes have to be joined, on every backend as on one thread. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndKinds")
  void moreLeavesThanANodeHas(ContractBackend backend, UpdateRule rule) {
    int length = 4096 * 4096 + 4097;
    try (Device one = Devices.cpu(1);
        Parameters theirs =
            Parameters.on(one)
                .add("p", ElementType.FLOAT32, length)
                .shape("p", Shapes.of(length))
                .build();
        Parameters ours =
            Parameters.on(backend.shared())
                .add("p", ElementType.FLOAT32, length)
                .shape("p", Shapes.of(length))
                .build()) {
      for (Parameters parameters : List.of(ours, theirs)) {
        SplittableRandom random = new SplittableRandom(9);
        for (int at = 0; at < length; at += CHUNK) {
          float[] chunk = new float[Math.min(CHUNK, length - at)];
          for (int i = 0; i < chunk.length; i++) {
            // Sums with different exponents, too.
            chunk[i] = Math.scalb((float) random.nextInt(-1000, 1000), at > length / 2 ? 60 : -5);
          }
          parameters.get("p").values().slice(at, chunk.length).copyFrom(chunk);
          parameters.get("p").gradients().slice(at, chunk.length).copyFrom(chunk);
        }
        try (Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(RATE).build()) {
          optimizer.step();
        }
      }
      for (int at = 0; at < length; at += CHUNK) {
        int n = Math.min(CHUNK, length - at);
        int from = at;
        Bits.assertSame(
            theirs.get("p").values().slice(at, n).toDoubles(),
            ours.get("p").values().slice(at, n).toDoubles(),
            () -> rule + ", from " + from);
      }
    }
  }

  /** A bound on the norm that is a rule's own is the optimizer's unless that has another. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aRulesOwnClipping(ContractBackend backend) {
    for (UpdateRule rule : Rules.all()) {
      if (rule.clipNorm() > 0) {
        assertEquals(5, normOf(backend, rule, null));
        assertEquals(Double.NaN, normOf(backend, RuleMatrix.unclipped(rule), null));
        assertEquals(5, normOf(backend, rule, Double.POSITIVE_INFINITY));
      }
    }
  }

  private static double normOf(ContractBackend backend, UpdateRule rule, Double clipNorm) {
    try (Parameters parameters =
        Parameters.on(backend.shared()).add("p", new float[] {1, 2}).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(RATE);
      if (clipNorm != null) {
        builder.clipNorm(clipNorm);
      }
      try (Optimizer optimizer = builder.build()) {
        parameters.get("p").gradients().copyFrom(new float[] {3, 4});
        optimizer.step();
        return optimizer.gradientNorm();
      }
    }
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }
}
