package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.SequentialBlock;
import ai.djl.training.GradientCollector;
import io.warmstep.LossScaler;
import io.warmstep.ParameterGroup;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepFailedException;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Adan;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps that fail, and steps that are left out. */
class FailureTest {
  private static final String WEIGHT = "01Linear_weight";

  @TempDir Path folder;

  private final AtomicBoolean isFailing = new AtomicBoolean();

  /** A rule whose update throws when told to. */
  private UpdateRule failing(UpdateRule rule) {
    return (UpdateRule)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {UpdateRule.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("update") && isFailing.get()) {
                throw new IllegalStateException("the device failed");
              }
              try {
                return method.invoke(rule, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** Nothing goes on from a half-done step: not this way, not the other, and not a saved file. */
  @ParameterizedTest
  @EnumSource
  void afterAFailedStepOnlyARestoredStateGoesOn(Mode mode) throws Exception {
    Path file = folder.resolve("state");
    Path other = folder.resolve("other");
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(failing(Momentum.heavyBall(0.9))).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(1);
            Mode.step(toy, step);
          });
      optimizer.save(file, toy.model.getBlock());
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(2);
            isFailing.set(true);
            assertThrows(StepFailedException.class, () -> Mode.step(toy, step));
            isFailing.set(false);
            assertThrows(StepFailedException.class, () -> Mode.step(toy, step));
          });
      for (Mode next : Mode.values()) {
        next.with(
            toy,
            optimizer,
            step -> {
              String message =
                  assertThrows(StepFailedException.class, () -> Mode.step(toy, step)).getMessage();
              assertTrue(message.contains("restore a saved"), message);
            });
      }
      assertThrows(StepFailedException.class, () -> optimizer.save(other, toy.model.getBlock()));
      assertFalse(Files.exists(other));

      optimizer.restore(file, toy.model.getBlock());
      assertEquals(1, optimizer.stepCount());
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(3);
            Mode.step(toy, step);
          });
      assertEquals(2, optimizer.stepCount());
      optimizer.save(other, toy.model.getBlock());
    }
  }

  /** In place of the rate: an error before anything is touched is no failed step. */
  @ParameterizedTest
  @EnumSource
  void aRateThatIsNoneChangesNothing(Mode mode) {
    float[] rate = {Float.NaN};
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).optLearningRateTracker(number -> rate[0]).build();
    try (Toy toy = new Toy(optimizer)) {
      double[] before = toy.values(WEIGHT);
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(1);
            assertThrows(IllegalStateException.class, () -> Mode.step(toy, step));
            assertArrayEquals(before, toy.values(WEIGHT));
            rate[0] = 0.1f;
            Mode.step(toy, step);
          });
      assertEquals(1, optimizer.stepCount());
    }
  }

  /** Also where the step has bound anew arrays that moved, or taken states that were restored. */
  @ParameterizedTest
  @EnumSource
  void aRateThatIsNoneLosesNoState(Mode mode) throws Exception {
    for (boolean isRestored : new boolean[] {false, true}) {
      float[] rate = {0.01f};
      WarmstepOptimizer optimizer =
          WarmstepOptimizer.of(Adam.adam()).optLearningRateTracker(number -> rate[0]).build();
      WarmstepOptimizer whole = WarmstepOptimizer.of(Adam.adam()).learningRate(0.01f).build();
      try (Toy toy = new Toy(optimizer);
          Toy expected = new Toy(whole)) {
        mode.with(expected, whole, step -> steps(expected, step, 1, 4));
        mode.with(toy, optimizer, step -> steps(toy, step, 1, 3));
        if (isRestored) {
          Path file = folder.resolve("state");
          optimizer.save(file, toy.model.getBlock());
          optimizer.restore(file, toy.model.getBlock());
        }
        mode.with(
            toy,
            optimizer,
            step -> {
              toy.parameters()
                  .values()
                  .forEach(each -> each.getArray().set(each.getArray().toFloatArray()));
              toy.backward(4);
              rate[0] = Float.NaN;
              assertThrows(IllegalStateException.class, () -> Mode.step(toy, step));
              assertEquals(toy.parameters().size(), optimizer.store().all().size());
              rate[0] = 0.01f;
              Mode.step(toy, step);
            });
        assertEquals(4, optimizer.stepCount());
        expected
            .allValues()
            .forEach((name, values) -> assertArrayEquals(values, toy.values(name), name));
      }
    }
  }

  private static void steps(Toy toy, ModelStep step, int from, int to) {
    for (int i = from; i <= to; i++) {
      toy.backward(i);
      Mode.step(toy, step);
    }
  }

  /** What could not be copied is not skipped in silence. */
  @Test
  void statesThatCannotBeCopiedAreAFailure() {
    StateStore store = new StateStore(0);
    OutOfMemoryError noMemory = new OutOfMemoryError("for a test");
    store.passTo(
        new StateStore.Holder() {
          @Override
          public ParameterState state(String id) {
            throw noMemory;
          }

          @Override
          public boolean has(String id) {
            throw noMemory;
          }

          @Override
          public Map<String, ParameterState> states() {
            throw noMemory;
          }

          @Override
          public void release() {}
        });
    assertSame(noMemory, assertThrows(OutOfMemoryError.class, store::detach));
    assertSame(noMemory, assertThrows(StepFailedException.class, store::checkUsable).getCause());
    store.replace(Map.of());
    store.checkUsable();
  }

  private static void backward(Toy toy, float factor) {
    try (GradientCollector collector = toy.trainer.newGradientCollector();
        NDArray loss = toy.array(WEIGHT).mul(factor).sum()) {
      collector.backward(loss);
    }
  }

  @Test
  void aStepWithAGradientThatIsNotFiniteMayBeSkipped() {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).skipNonFinite(true).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      double[] before = toy.values(WEIGHT);
      backward(toy, Float.POSITIVE_INFINITY);
      step.step();
      assertArrayEquals(before, toy.values(WEIGHT));
      assertEquals(0, step.stepCount());
      assertEquals(1, step.skippedSteps());
      assertTrue(step.isLastStepSkipped());
      backward(toy, 2);
      step.step();
      assertEquals(before[0] - 2, toy.values(WEIGHT)[0], 1e-5);
      assertEquals(1, step.stepCount());
    }
  }

  @Test
  void aLossMayBeScaled() {
    LossScaler scaler = LossScaler.dynamic();
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).lossScaler(scaler).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      double[] before = toy.values(WEIGHT);
      backward(toy, (float) (0.5 * scaler.scale()));
      step.step();
      assertEquals(before[0] - 0.5, toy.values(WEIGHT)[0], 1e-5);
      double scale = scaler.scale();
      backward(toy, Float.NaN);
      step.step();
      assertEquals(1, step.skippedSteps());
      assertTrue(scaler.scale() < scale);
      toy.parameters().get("03Linear_bias").freeze(true); // the optimizer is built anew
      backward(toy, (float) (0.5 * scaler.scale()));
      step.step();
      assertEquals(before[0] - 1, toy.values(WEIGHT)[0], 1e-5);
      assertFalse(step.isLastStepSkipped());
    }
  }

  private static WarmstepOptimizerBuilder of(UpdateRule rule) {
    return WarmstepOptimizer.of(rule).learningRate(1);
  }

  private static ParameterGroup weights(UpdateRule rule) {
    return ParameterGroup.matching("*_weight").rule(rule);
  }

  static Stream<Arguments> ofTheWholeModel() {
    Adam adam = Adam.adam();
    Lamb lamb = Lamb.lamb();
    return Stream.of(
        Arguments.of("skipNonFinite", of(adam).skipNonFinite(true)),
        Arguments.of("lossScaler", of(adam).lossScaler(LossScaler.dynamic())),
        Arguments.of("clipNorm", of(adam).clipNorm(1)),
        Arguments.of("rule lamb, which clips by the global norm,", of(lamb)),
        Arguments.of("rule adan, which clips by the global norm,", of(Adan.adan().maxGradNorm(1))),
        Arguments.of("rule prodigy, which adds up over its group,", of(Prodigy.prodigy())),
        Arguments.of("rule lamb, which clips by the global norm,", of(adam).group(weights(lamb))),
        Arguments.of(
            "rule prodigy, which adds up over its group,",
            of(adam).group(weights(Prodigy.prodigy()))));
  }

  /** Each parameter has an optimizer of its own there, which knows of no other. */
  @ParameterizedTest
  @MethodSource("ofTheWholeModel")
  void whatNeedsAllGradientsNeedsAModelStep(String what, WarmstepOptimizerBuilder builder) {
    SequentialBlock block = Toy.block();
    try (Toy toy = new Toy(builder.names(block).build(), DataType.FLOAT32, block)) {
      Map<String, double[]> before = toy.allValues();
      toy.backward(1);
      assertEquals(
          what
              + " needs the gradients of all parameters at once: call step() of a ModelStep instead"
              + " of trainer.step()",
          assertThrows(IllegalStateException.class, toy.trainer::step).getMessage());
      before.forEach((name, values) -> assertArrayEquals(values, toy.values(name)));
    }
  }

  /** Where each parameter is the only one, all would be rounded by the same numbers. */
  @Test
  void roundingAtRandomNeedsAModelStep() {
    WarmstepOptimizer optimizer =
        of(Adam.adam()).stateType(StateType.INT8, 0).rounding(Rounding.STOCHASTIC).build();
    try (Toy toy = new Toy(optimizer)) {
      toy.backward(1);
      assertEquals(
          "random rounding goes by a parameter's place among all: call step() of a ModelStep instead"
              + " of trainer.step()",
          assertThrows(IllegalStateException.class, toy.trainer::step).getMessage());
    }
  }

  @Test
  void rulesThatLookAtOneParameterOnlyNeedNoModelStep() {
    for (UpdateRule rule : List.of(Lamb.lamb().maxGradNorm(0), Adan.adan(), NovoGrad.novoGrad())) {
      try (Toy toy = new Toy(of(rule).build())) {
        toy.backward(1);
        toy.trainer.step();
      }
    }
  }
}
