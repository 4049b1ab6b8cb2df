package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.training.tracker.Tracker;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steps on DJL's memory have the bits of Warmstep's own optimizer on copies of the same gradients.
 */
class StepTest {
  private static final int STEPS = 5;

  /** Every rule, and forms of them. */
  static List<UpdateRule> rules() {
    List<UpdateRule> rules = new ArrayList<>(Rules.ofEachKernel());
    rules.add(Sgd.sgd().weightDecay(0.1));
    rules.add(Momentum.nesterov(0.9));
    rules.add(RmsProp.rmsProp().centered(true).momentum(0.5));
    rules.add(Adam.adamW().amsgrad(true));
    rules.add(Lamb.lamb().maxGradNorm(0));
    rules.add(Asgd.asgd().t0(1).lambd(0.01));
    rules.add(Lookahead.around(Adam.adam()).k(2));
    return rules;
  }

  /** Which rules go which way; some only as a whole. */
  static Stream<Arguments> modesAndRules() {
    return rules().stream()
        .flatMap(
            rule ->
                Stream.of(Mode.values())
                    .filter(mode -> mode == Mode.MODEL_STEP || !needsAll(rule))
                    .map(mode -> Arguments.of(mode, rule)));
  }

  private static boolean needsAll(UpdateRule rule) {
    return rule.clipNorm() > 0 || rule.sums().map(TensorSums::areOfGroup).orElse(false);
  }

  /** For a rule of matrices, what becomes of vectors. */
  static List<ParameterGroup> groups(UpdateRule rule) {
    return rule.minDimensions() < 2
        ? List.of()
        : List.of(ParameterGroup.matching("*_bias").rule(Adam.adamW()));
  }

  /** DJL's trainer.step() itself refuses float64 gradients. */
  static Stream<Arguments> modesAndTypes() {
    return Stream.of(
        Arguments.of(Mode.TRAINER_STEP, DataType.FLOAT16),
        Arguments.of(Mode.MODEL_STEP, DataType.FLOAT16),
        Arguments.of(Mode.MODEL_STEP, DataType.FLOAT64));
  }

  /** Warmstep on its own: owned parameters that start as the model's. */
  private static Parameters copies(Toy toy, Device device, ElementType type) {
    ParametersBuilder builder = Parameters.on(device);
    toy.parameters()
        .forEach(
            (name, parameter) ->
                builder
                    .add(name, type, toy.values(name).length)
                    .shape(name, parameter.getShape().getShape()));
    Parameters copies = builder.build();
    toy.parameters().keySet().forEach(name -> copies.get(name).values().copyFrom(toy.values(name)));
    return copies;
  }

  /** An optimizer that knows the names of a model of its own. */
  private record Named(WarmstepOptimizer optimizer, SequentialBlock block) {}

  private static Named named(WarmstepOptimizerBuilder builder) {
    SequentialBlock block = Toy.block();
    return new Named(builder.names(block).build(), block);
  }

  private static void check(
      Mode mode,
      DataType type,
      WarmstepOptimizer optimizer,
      UnaryOperator<OptimizerBuilder> reference) {
    check(mode, type, new Named(optimizer, Toy.block()), reference);
  }

  private static void check(
      Mode mode, DataType type, Named named, UnaryOperator<OptimizerBuilder> reference) {
    WarmstepOptimizer optimizer = named.optimizer();
    try (Toy toy = new Toy(optimizer, type, named.block());
        Device device = Devices.cpu();
        Parameters copies = copies(toy, device, ElementType.valueOf(type.name()));
        Optimizer expected = reference.apply(Optimizer.of(copies)).build()) {
      mode.with(
          toy,
          optimizer,
          step -> {
            for (int i = 1; i <= STEPS; i++) {
              toy.backward(i);
              for (String name : toy.parameters().keySet()) {
                copies.get(name).gradients().copyFrom(toy.gradients(name));
              }
              expected.step();
              Mode.step(toy, step);
              for (String name : toy.parameters().keySet()) {
                Tensor values = copies.get(name).values();
                assertArrayEquals(values.toDoubles(), toy.values(name), name + " at step " + i);
                assertArrayEquals(
                    new double[toy.values(name).length], toy.gradients(name), "gradient " + name);
                for (String slot : expected.stateNames(name)) {
                  assertArrayEquals(
                      expected.state(name, slot).toDoubles(),
                      optimizer.state(toy.model.getBlock(), name, slot),
                      slot + " of " + name);
                }
              }
            }
          });
      assertEquals(STEPS, optimizer.stepCount());
    }
  }

  @ParameterizedTest
  @MethodSource("modesAndRules")
  void hasTheSameBits(Mode mode, UpdateRule rule) {
    Schedule schedule = Schedules.cosine(Rules.usualRate(rule), 10);
    WarmstepOptimizerBuilder builder = WarmstepOptimizer.of(rule).learningRate(schedule);
    groups(rule).forEach(builder::group);
    check(
        mode,
        DataType.FLOAT32,
        named(builder),
        expected -> {
          groups(rule).forEach(expected::group);
          return expected.rule(rule).learningRate(schedule);
        });
  }

  /** Kinds of rules, with state of elements, tensors, rows and columns, and kept numbers. */
  @ParameterizedTest
  @EnumSource
  void groupsMayHaveRulesOfOtherKinds(Mode mode) {
    List<ParameterGroup> groups =
        List.of(
            ParameterGroup.matching("01*_weight").rule(Muon.muon()),
            ParameterGroup.matching("03*_weight").rule(Adafactor.adafactor()),
            ParameterGroup.matching("01*_bias").rule(NAdam.nAdam()));
    WarmstepOptimizerBuilder builder = WarmstepOptimizer.of(NovoGrad.novoGrad()).learningRate(0.01);
    groups.forEach(builder::group);
    check(
        mode,
        DataType.FLOAT32,
        named(builder),
        expected -> {
          groups.forEach(expected::group);
          return expected.rule(NovoGrad.novoGrad()).learningRate(0.01);
        });
  }

  @ParameterizedTest
  @MethodSource("modesAndTypes")
  void hasTheSameBitsInOtherTypes(Mode mode, DataType type) {
    check(
        mode,
        type,
        WarmstepOptimizer.of(Adam.adamW()).learningRate(0.01).build(),
        expected -> expected.rule(Adam.adamW()).learningRate(0.01));
  }

  @ParameterizedTest
  @EnumSource
  void takesDjlsOptions(Mode mode) {
    check(
        mode,
        DataType.FLOAT32,
        WarmstepOptimizer.of(Adam.adamW())
            .optLearningRateTracker(Tracker.factor().setBaseValue(0.1f).setFactor(0.5f).build())
            .setRescaleGrad(0.5f)
            .optClipGrad(0.01f)
            .optWeightDecays(0.25f)
            .build(),
        expected ->
            expected
                .rule(Adam.adamW().weightDecay(0.25f))
                .learningRate(step -> (float) (0.1f * Math.pow(0.5f, step)))
                .gradientScale(0.5f)
                .clipValue(0.01f));
  }

  @ParameterizedTest
  @EnumSource
  void clipsEachParameterByItsOwnNorm(Mode mode) {
    check(
        mode,
        DataType.FLOAT32,
        WarmstepOptimizer.of(Momentum.nesterov(0.9)).learningRate(0.1).adaptiveClip(0.001).build(),
        expected -> expected.rule(Momentum.nesterov(0.9)).learningRate(0.1).adaptiveClip(0.001));
    check(
        mode,
        DataType.FLOAT32,
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(0.1).adaptiveClip(0.001, 0.5).build(),
        expected -> expected.rule(Sgd.sgd()).learningRate(0.1).adaptiveClip(0.001, 0.5));
  }

  @ParameterizedTest
  @EnumSource
  void groupsStoreTheirStateInTypesOfTheirOwn(Mode mode) {
    for (StateType type : StateType.values()) {
      ParameterGroup group = ParameterGroup.matching("*_weight").stateType(type, 0);
      check(
          mode,
          DataType.FLOAT32,
          named(WarmstepOptimizer.of(Adam.adamW()).learningRate(0.1).group(group)),
          expected -> expected.rule(Adam.adamW()).learningRate(0.1).group(group));
    }
  }

  @ParameterizedTest
  @EnumSource
  void schedulesMoveHyperparameters(Mode mode) {
    Schedule beta1 = step -> 0.8 + 0.1 / step;
    Schedule decay = Schedules.linear(0.5, 1, 0, 5);
    check(
        mode,
        DataType.FLOAT32,
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.1)
            .schedule("beta1", beta1)
            .schedule("weightDecay", decay)
            .build(),
        expected ->
            expected
                .rule(Adam.adamW())
                .learningRate(0.1)
                .schedule("beta1", beta1)
                .schedule("weightDecay", decay));
    WarmstepOptimizerBuilder builder = WarmstepOptimizer.of(Sgd.sgd());
    assertEquals(
        "hyperparameter is momentum, must be one of [weightDecay]: pass one that sgd lets a"
            + " schedule move",
        assertThrows(
                IllegalArgumentException.class, () -> builder.schedule("momentum", step -> 0.5))
            .getMessage());
  }

  @Test
  void aStepMayHaveAGradientScaleOfItsOwn() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).setRescaleGrad(0.5f).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      for (double scale : new double[] {0.5, 0.125, 0.5}) {
        toy.backward(1);
        double[] before = toy.values("01Linear_weight");
        double[] gradients = toy.gradients("01Linear_weight");
        if (scale == 0.5) {
          step.step();
        } else {
          step.step(scale);
        }
        double[] after = toy.values("01Linear_weight");
        for (int i = 0; i < before.length; i++) {
          assertEquals((float) (before[i] - scale * gradients[i]), after[i]);
        }
      }
      assertThrows(IllegalArgumentException.class, () -> step.step(0));
      assertEquals(3, step.stepCount());
    }
  }

  static Stream<Arguments> modesAndStateTypes() {
    return Stream.of(StateType.BFLOAT16, StateType.INT8)
        .flatMap(
            type ->
                Stream.of(
                    Arguments.of(Mode.TRAINER_STEP, type, DataType.FLOAT32),
                    Arguments.of(Mode.MODEL_STEP, type, DataType.FLOAT32),
                    Arguments.of(Mode.MODEL_STEP, type, DataType.FLOAT16)));
  }

  @ParameterizedTest
  @MethodSource("modesAndStateTypes")
  void keepsStateInFewerBits(Mode mode, StateType state, DataType type) {
    ParameterGroup biases = ParameterGroup.matching("*_bias").rule(Sgd.sgd()); // has no state
    check(
        mode,
        type,
        named(WarmstepOptimizer.of(Adam.adamW()).learningRate(0.01).stateType(state, 0)),
        expected -> expected.rule(Adam.adamW()).learningRate(0.01).stateType(state, 0));
    check(
        mode,
        type,
        named(
            WarmstepOptimizer.of(Adam.adamW())
                .group(biases)
                .learningRate(0.01)
                .stateType(state, 0)),
        expected ->
            expected.rule(Adam.adamW()).group(biases).learningRate(0.01).stateType(state, 0));
  }

  @ParameterizedTest
  @EnumSource(
      value = StateType.class,
      names = {"BFLOAT16", "INT8"})
  void roundsStateAtRandom(StateType state) {
    check(
        Mode.MODEL_STEP,
        DataType.FLOAT32,
        named(
            WarmstepOptimizer.of(Adam.adamW())
                .learningRate(0.01)
                .stateType(state, 0)
                .rounding(Rounding.STOCHASTIC, 7)),
        expected ->
            expected
                .rule(Adam.adamW())
                .learningRate(0.01)
                .stateType(state, 0)
                .rounding(Rounding.STOCHASTIC, 7));
  }

  /** Nor is a step refused for it, of which each may be of other parameters. */
  @ParameterizedTest
  @EnumSource
  void smallParametersKeepTheirStateInFloat32(Mode mode) {
    check(
        mode,
        DataType.FLOAT32,
        named(WarmstepOptimizer.of(Adam.adamW()).learningRate(0.01).stateType(StateType.INT8)),
        expected -> expected.rule(Adam.adamW()).learningRate(0.01));
    int weights = Toy.INPUTS * 16; // of the first layer, the largest
    check(
        mode,
        DataType.FLOAT32,
        named(
            WarmstepOptimizer.of(Adam.adamW())
                .learningRate(0.01)
                .stateType(StateType.INT8, weights)),
        expected ->
            expected.rule(Adam.adamW()).learningRate(0.01).stateType(StateType.INT8, weights));
  }

  @Test
  void onlySmallParametersMayBeLeftToTrain() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.01)
            .stateType(StateType.INT8, Toy.INPUTS * 16)
            .rounding(Rounding.STOCHASTIC)
            .build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      for (int i = 1; i <= 4; i++) {
        toy.parameters().get("01Linear_weight").freeze(i == 2 || i == 3);
        toy.backward(i);
        step.step();
      }
      assertEquals(4, step.stepCount());
    }
  }

  /** A ModelStep binds its optimizer anew, trainer.step() has one for each parameter. */
  @Test
  void freezingLeavesCodesAsTheyAre() {
    WarmstepOptimizer one = codes();
    WarmstepOptimizer other = codes();
    try (Toy toy = new Toy(one);
        Toy twin = new Toy(other);
        ModelStep step = ModelStep.of(toy.trainer, one)) {
      for (int i = 1; i <= 8; i++) {
        boolean isFrozen = i == 3 || i == 4 || i == 6;
        toy.parameters().get("03Linear_weight").freeze(isFrozen);
        twin.parameters().get("03Linear_weight").freeze(isFrozen);
        toy.backward(i);
        step.step();
        twin.backward(i);
        twin.trainer.step();
        toy.allValues()
            .forEach((name, values) -> assertArrayEquals(values, twin.values(name), name));
      }
    }
  }

  private static WarmstepOptimizer codes() {
    return WarmstepOptimizer.of(Adam.adamW())
        .learningRate(0.01)
        .stateType(StateType.INT8, 0)
        .build();
  }

  /** What only a part of the parameters has is no reason to refuse the others. */
  @Test
  void aStateTypeMayConcernFrozenParametersOnly() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd())
            .group(ParameterGroup.matching("*_weight").rule(Adam.adam()))
            .learningRate(0.01)
            .stateType(StateType.INT8, 0)
            .rounding(Rounding.STOCHASTIC)
            .build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      toy.parameters().get("01Linear_weight").freeze(true);
      toy.parameters().get("03Linear_weight").freeze(true);
      toy.backward(1);
      step.step();
      assertEquals(1, step.stepCount());
    }
  }

  @Test
  void refusesStateTypesWithoutUse() {
    WarmstepOptimizerBuilder builder =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).stateType(StateType.INT8);
    assertEquals(
        "stateType is int8, must be float32 for rules whose state has no moments: choose a rule with"
            + " moments, such as adam, or leave it out",
        assertThrows(IllegalArgumentException.class, builder::build).getMessage());
    builder.stateType(StateType.FLOAT32).build();
    WarmstepOptimizerBuilder momentum =
        WarmstepOptimizer.of(Momentum.heavyBall(0.9))
            .learningRate(1)
            .stateType(StateType.INT8)
            .rounding(Rounding.STOCHASTIC);
    assertEquals(
        "rounding is stochastic, must be nearest where a step stores neither bfloat16 nor squares in"
            + " int8: set a stateType, or leave it out",
        assertThrows(IllegalArgumentException.class, momentum::build).getMessage());
    momentum.stateType(StateType.BFLOAT16).build();
    momentum.stateType(StateType.INT8).rounding(Rounding.NEAREST).build();
    assertThrows(IllegalArgumentException.class, () -> momentum.stateType(StateType.INT8, -1));
  }

  /** DJL's own clipping leaves negative gradients as they are. */
  @ParameterizedTest
  @EnumSource
  void clipsBothSigns(Mode mode) {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).clipValue(1e-3).build();
    try (Toy toy = new Toy(optimizer)) {
      double[] before = toy.values("01Linear_weight");
      toy.backward(1);
      double[] gradients = toy.gradients("01Linear_weight");
      mode.with(toy, optimizer, step -> Mode.step(toy, step));
      double[] after = toy.values("01Linear_weight");
      boolean anyNegative = false;
      for (int i = 0; i < before.length; i++) {
        assertEquals(Math.max(-1e-3, Math.min(1e-3, gradients[i])), before[i] - after[i], 1e-7);
        anyNegative |= gradients[i] < -1e-3;
      }
      assertTrue(anyNegative);
    }
  }

  @ParameterizedTest
  @EnumSource
  void groupsGoByTheBlocksNames(Mode mode) {
    WarmstepOptimizerBuilder builder =
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.01)
            .group(ParameterGroup.matching("*_bias").weightDecay(0).learningRateFactor(0))
            .group(ParameterGroup.matching("03*_weight").weightDecay(0.5));
    SequentialBlock block = Toy.block();
    WarmstepOptimizer optimizer = builder.names(block).build();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block)) {
      Map<String, double[]> before = toy.allValues();
      toy.backward(1);
      mode.with(toy, optimizer, step -> Mode.step(toy, step));
      assertArrayEquals(before.get("01Linear_bias"), toy.values("01Linear_bias"));
      assertArrayEquals(before.get("03Linear_bias"), toy.values("03Linear_bias"));
      // Adam's first step is the rate itself; what else changes is the decay.
      double w = before.get("03Linear_weight")[0];
      double change = w - toy.values("03Linear_weight")[0] - 0.01 * 0.5 * w;
      assertEquals(0.01, Math.abs(change), 1e-4);
    }
  }

  @Test
  void groupsNeedNames() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.01)
            .group(ParameterGroup.matching("*_bias").weightDecay(0))
            .build();
    try (Toy toy = new Toy(optimizer)) {
      toy.backward(1);
      String message = assertThrows(IllegalStateException.class, toy.trainer::step).getMessage();
      assertTrue(message.contains("names(model.getBlock())"), message);
    }
  }

  @Test
  void aGroupMustMatch() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.01)
            .group(ParameterGroup.matching("*.bias").weightDecay(0))
            .build();
    try (Toy toy = new Toy(optimizer)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> ModelStep.of(toy.trainer, optimizer))
              .getMessage();
      assertTrue(message.startsWith("group *.bias matches no parameter"), message);
      assertTrue(message.contains("01Linear_bias"), message);
    }
  }

  @Test
  void groupsMustNotOverlap() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW())
            .learningRate(0.01)
            .group(ParameterGroup.matching("*_bias").weightDecay(0))
            .group(ParameterGroup.matching("03*").weightDecay(0.5))
            .build();
    try (Toy toy = new Toy(optimizer)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> ModelStep.of(toy.trainer, optimizer))
              .getMessage();
      assertEquals(
          "parameter \"03Linear_bias\" matches groups *_bias and 03*, must match one at most",
          message);
    }
  }

  @Test
  void clipsByGlobalNorm() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).clipNorm(1e-2).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      Map<String, double[]> before = toy.allValues();
      toy.backward(1);
      step.step();
      double sum = 0;
      for (String name : before.keySet()) {
        double[] after = toy.values(name);
        for (int i = 0; i < after.length; i++) {
          sum += Math.pow(after[i] - before.get(name)[i], 2);
        }
      }
      assertTrue(step.gradientNorm() > 1e-2, "the gradient is clipped: " + step.gradientNorm());
      assertEquals(1e-2, Math.sqrt(sum), 1e-5);
      assertEquals(1, step.learningRate());
    }
  }

  @ParameterizedTest
  @EnumSource
  void clipsByTheNormOfChoice(Norm norm) {
    check(
        Mode.MODEL_STEP,
        DataType.FLOAT32,
        WarmstepOptimizer.of(Momentum.heavyBall(0.9))
            .learningRate(0.1)
            .clipNorm(0.01, norm)
            .build(),
        expected -> expected.rule(Momentum.heavyBall(0.9)).learningRate(0.1).clipNorm(0.01, norm));
  }

  @Test
  void theNormMayBeMeasuredAlone() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd())
            .learningRate(1)
            .clipNorm(Double.POSITIVE_INFINITY, Norm.MAX)
            .build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      toy.backward(1);
      double largest =
          toy.parameters().keySet().stream()
              .flatMapToDouble(name -> Arrays.stream(toy.gradients(name)))
              .map(Math::abs)
              .max()
              .orElseThrow();
      step.step();
      assertEquals(largest, step.gradientNorm());
    }
  }

  @Test
  void theGlobalNormNeedsTheWholeModel() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).clipNorm(1).build();
    try (Toy toy = new Toy(optimizer)) {
      toy.backward(1);
      Map<String, double[]> before = toy.allValues();
      String message = assertThrows(IllegalStateException.class, toy.trainer::step).getMessage();
      assertTrue(message.contains("ModelStep"), message);
      before.forEach((name, values) -> assertArrayEquals(values, toy.values(name)));
    }
  }

  @Test
  void refusesOptionsOutOfRange() {
    WarmstepOptimizerBuilder builder = WarmstepOptimizer.of(Sgd.sgd());
    assertThrows(IllegalStateException.class, builder::build);
    builder.learningRate(0.1);
    assertThrows(IllegalArgumentException.class, () -> builder.clipNorm(0));
    assertThrows(IllegalArgumentException.class, () -> builder.clipValue(Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> builder.clipNorm(Double.NaN));
    assertThrows(NullPointerException.class, () -> builder.clipNorm(1, null));
    assertThrows(IllegalArgumentException.class, () -> builder.adaptiveClip(0));
    assertThrows(IllegalArgumentException.class, () -> builder.adaptiveClip(0.01, 0));
    assertThrows(IllegalArgumentException.class, () -> builder.optClipGrad(0).build());
    builder.optClipGrad(1).clipValue(1);
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.contains("call one"), message);
    for (float scale : new float[] {0, 1e-40f, Float.NaN}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).setRescaleGrad(scale).build());
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> WarmstepOptimizer.of(Sgd.sgd()).optBeginNumUpdate(-1));
  }

  /** AdamW has a weight decay of its own. */
  @Test
  void aWeightDecayOfZeroIsZero() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW())
            .setLearningRateTracker(Tracker.fixed(1))
            .optWeightDecays(0)
            .build();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray weight = manager.ones(new Shape(1));
      optimizer.update("w", weight, manager.zeros(new Shape(1)));
      assertEquals(1, weight.getFloat());
    }
  }
}
