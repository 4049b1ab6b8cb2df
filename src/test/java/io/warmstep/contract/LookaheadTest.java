package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lion;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.io.IOException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Slow weights around other rules. */
class LookaheadTest {
  private static final double RATE = 0.0625;
  private static final int LENGTH = 2_051;

  private static TestModel model(Device device, List<ElementType> types, List<Placement> where) {
    TestModel model = new TestModel(device);
    for (ElementType type : types) {
      for (Placement placement : where) {
        SplittableRandom random = new SplittableRandom(8 * type.ordinal() + placement.ordinal());
        String name = type + "." + placement;
        model.add(name, type, placement, Numbers.ordinary(random, type, LENGTH));
      }
    }
    return model;
  }

  private static void step(TestModel model, Optimizer optimizer, int step) {
    SplittableRandom random = new SplittableRandom(step);
    for (Parameter parameter : model.parameters()) {
      double[] gradients = Numbers.ordinary(random, parameter.values().type(), LENGTH);
      gradients[3] = step == 2 ? Double.NaN : gradients[3];
      model.gradients(parameter.name(), gradients);
    }
    optimizer.step();
  }

  private static Optimizer optimizer(TestModel model, UpdateRule rule) {
    OptimizerBuilder builder =
        Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).skipNonFinite(true);
    if (isOfGroups(rule)) { // which have one type each
      model.parameters().forEach(p -> builder.group(ParameterGroup.matching(p.name())));
    }
    return builder.build();
  }

  private static boolean isOfGroups(UpdateRule rule) {
    return rule.sums().map(TensorSums::areOfGroup).orElse(false);
  }

  private static double[] blended(ElementType type, double[] p, double[] s, double weight) {
    double[] values = new double[p.length];
    for (int i = 0; i < p.length; i++) {
      values[i] =
          type == ElementType.FLOAT64
              ? Math.fma(weight, s[i] - p[i], p[i])
              : Math.fma((float) weight, (float) s[i] - (float) p[i], (float) p[i]);
    }
    return values;
  }

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(
        List.of(
            Momentum.nesterov(0.9),
            NovoGrad.novoGrad(),
            Lamb.lamb().maxGradNorm(0),
            Lion.lion().caution(true),
            Prodigy.prodigy().d0(0.25),
            RuleMatrix.withFewProducts(Muon.muon()))); // which has scratch beside its state
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void bringsParametersAndSlowWeightsTogether(ContractBackend backend, UpdateRule rule) {
    compare(backend.shared(), backend.typesFor(rule), backend.placements(), rule);
  }

  static List<UpdateRule> ofEachKernel() {
    return Rules.ofEachKernel().stream()
        .map(RuleMatrix::unclipped)
        .map(RuleMatrix::withFewProducts)
        .toList();
  }

  /** What is refused says why; all else works. */
  @ParameterizedTest
  @MethodSource("ofEachKernel")
  void isAroundEveryRuleOrRefusesIt(UpdateRule rule) {
    if (rule.evaluation().isPresent() || rule.isFactored()) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Lookahead.around(rule)).getMessage();
      assertTrue(
          message.startsWith("lookahead: rule is " + rule.name() + ", must be one ")
              && message.contains(", since "),
          message);
      return;
    }
    try (Device cpu = Devices.cpu(2)) {
      compare(cpu, List.of(ElementType.FLOAT32), List.of(Placement.OWNED), rule);
    }
  }

  /** By a twin without, whose parameters are set to what they are brought to. */
  private static void compare(
      Device device, List<ElementType> types, List<Placement> placements, UpdateRule rule) {
    try (TestModel model = model(device, types, placements);
        TestModel twin = model(device, types, List.of(Placement.OWNED));
        Optimizer optimizer = optimizer(model, Lookahead.around(rule).k(2).alpha(0.75));
        Optimizer plain = optimizer(twin, rule)) {
      Map<String, double[]> slow = new HashMap<>();
      twin.parameters().forEach(p -> slow.put(p.name(), twin.values(p.name())));
      for (int step = 1; step <= 6; step++) { // of which the second is skipped
        step(model, optimizer, step);
        for (Parameter parameter : twin.parameters()) {
          String name = parameter.name();
          twin.gradients(name, model.gradients(name));
        }
        plain.step();
        assertEquals(plain.stepCount(), optimizer.stepCount());
        for (Parameter parameter : twin.parameters()) {
          ElementType type = parameter.values().type();
          String name = parameter.name();
          if (step != 2 && plain.stepCount() % 2 == 0) {
            slow.put(name, blended(type, twin.values(name), slow.get(name), 0.25));
            double[] rounded = slow.get(name).clone();
            Arrays.setAll(rounded, i -> Numbers.round(type, slow.get(name)[i]));
            parameter.values().copyFrom(rounded);
          }
          Bits.assertSame(twin.values(name), model.values(name), () -> rule + ", " + name);
          Bits.assertSame(
              slow.get(name),
              optimizer.state(name, "slow_params").toDoubles(),
              () -> rule + ", slow " + name);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void goesOnAfterACheckpoint(ContractBackend backend) throws IOException {
    UpdateRule rule = Lookahead.around(Momentum.heavyBall(0.9)).k(3).alpha(0.25);
    BytesChannel file = new BytesChannel();
    try (Device cpu = Devices.cpu(2);
        TestModel model = model(backend.shared(), backend.types(), List.of(Placement.OWNED));
        TestModel other = model(cpu, backend.types(), List.of(Placement.OWNED));
        Optimizer optimizer = optimizer(model, rule);
        Optimizer resumed = optimizer(other, Lookahead.around(Momentum.heavyBall(0.9)));
        Optimizer without = optimizer(other, Momentum.heavyBall(0.9))) {
      for (int step = 1; step <= 5; step++) {
        step(model, optimizer, step);
      }
      optimizer.checkpoint().save(file);
      assertThrows(
          CheckpointMismatchException.class, () -> without.checkpoint().restore(file.position(0)));
      resumed.checkpoint().restore(file.position(0)); // takes the file's k and alpha
      for (int step = 6; step <= 9; step++) {
        step(model, optimizer, step);
        step(other, resumed, step);
      }
      for (Parameter parameter : model.parameters()) {
        String name = parameter.name();
        Bits.assertSame(model.values(name), other.values(name), () -> name);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void groupsThatAreFrozenOrAtRateZeroStay(ContractBackend backend) {
    UpdateRule rule = Lookahead.around(Momentum.heavyBall(0.9)).k(2);
    try (TestModel model = model(backend.shared(), backend.types(), List.of(Placement.OWNED));
        Optimizer optimizer =
            Optimizer.of(model.parameters())
                .rule(rule)
                .group(ParameterGroup.matching("float32.*").learningRateFactor(0))
                .group(ParameterGroup.matching("bfloat16.*").rule(rule))
                .learningRate(RATE)
                .build()) {
      step(model, optimizer, 1);
      double[] stays = model.values("bfloat16.OWNED");
      double[] zero = model.values("float32.OWNED");
      optimizer.groups().freeze("bfloat16.*");
      for (int step = 3; step <= 6; step++) {
        step(model, optimizer, step);
        Bits.assertSame(stays, model.values("bfloat16.OWNED"), () -> "frozen");
        Bits.assertSame(zero, model.values("float32.OWNED"), () -> "at rate 0");
      }
    }
  }

  @Test
  void hasTheHyperparametersOfBoth() {
    Lookahead rule = Lookahead.around(Momentum.heavyBall(0.9)).k(7);
    UpdateRule other =
        RuleSettings.with(rule, Map.of("momentum", 0.5, "lookaheadAlpha", 0.25, "lookaheadK", 9));
    assertEquals(Lookahead.around(Momentum.heavyBall(0.5)).k(9).alpha(0.25), other);
    assertEquals(0.5, RuleSettings.number(other, "momentum"));
    assertTrue(RuleSettings.has(rule, "lookaheadK"));
    for (UpdateRule each : RuleMatrix.unclipped()) {
      if (each.evaluation().isEmpty() && !each.isFactored()) {
        assertEquals(each.kernel(), Lookahead.around(each).kernel());
      }
    }
  }

  /**
   * What the other rule says of itself, but for the weights that it evaluates with: it has none.
   */
  @Test
  void leavesNothingOfTheOtherRuleOut() {
    for (Method method : UpdateRule.class.getMethods()) {
      if (!method.getName().equals("evaluation")) {
        assertDoesNotThrow(
            () -> Lookahead.class.getDeclaredMethod(method.getName(), method.getParameterTypes()));
      }
    }
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    Lookahead rule = Lookahead.around(Momentum.heavyBall(0.9));
    for (UpdateRule inner : List.of(ScheduleFreeSgd.scheduleFreeSgd(), rule)) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> Lookahead.around(inner));
      assertEquals(
          "lookahead: rule is "
              + inner.name()
              + ", must be one whose parameters no other weights follow, since moving the parameters"
              + " alone would break what ties these to them: use it without Lookahead",
          e.getMessage());
    }
    assertThrows(NullPointerException.class, () -> Lookahead.around(null));
    assertThrows(IllegalArgumentException.class, () -> rule.k(0));
    for (double alpha : new double[] {0, -1, 1.5, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> rule.alpha(alpha));
    }
  }
}
