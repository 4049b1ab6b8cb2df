package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.tracker.Tracker;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
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

  static Stream<UpdateRule> rules() {
    return Stream.of(
        Sgd.sgd().weightDecay(0.1),
        Momentum.nesterov(0.9),
        RmsProp.rmsProp().centered(true).momentum(0.5),
        Adam.adam(),
        Adam.adamW().amsgrad(true));
  }

  static Stream<Arguments> modesAndRules() {
    return rules().flatMap(rule -> Stream.of(Mode.values()).map(mode -> Arguments.of(mode, rule)));
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
    toy.parameters().keySet().forEach(name -> builder.add(name, type, toy.values(name).length));
    Parameters copies = builder.build();
    toy.parameters().keySet().forEach(name -> copies.get(name).values().copyFrom(toy.values(name)));
    return copies;
  }

  private static void check(
      Mode mode,
      DataType type,
      WarmstepOptimizer optimizer,
      UnaryOperator<OptimizerBuilder> reference) {
    try (Toy toy = new Toy(optimizer, type, Toy.block());
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
    check(
        mode,
        DataType.FLOAT32,
        WarmstepOptimizer.of(rule).learningRate(Schedules.cosine(0.1, 10)).build(),
        expected -> expected.rule(rule).learningRate(Schedules.cosine(0.1, 10)));
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
  }

  @ParameterizedTest
  @EnumSource
  void groupsStoreTheirStateInTypesOfTheirOwn(Mode mode) {
    for (StateType type : StateType.values()) {
      ParameterGroup group = ParameterGroup.matching("*_weight").stateType(type, 0);
      check(
          mode,
          DataType.FLOAT32,
          WarmstepOptimizer.of(Adam.adamW()).learningRate(0.1).group(group).build(),
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
    ai.djl.nn.SequentialBlock block = Toy.block();
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
    assertThrows(IllegalArgumentException.class, () -> builder.adaptiveClip(0));
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
