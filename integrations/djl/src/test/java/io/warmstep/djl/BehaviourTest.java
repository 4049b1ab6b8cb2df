package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Sgd;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a DJL user does to a model between steps, and what goes wrong. */
class BehaviourTest {
  private static final String WEIGHT = "01Linear_weight";
  private static final String BIAS = "01Linear_bias";

  private static WarmstepOptimizer adam() {
    return WarmstepOptimizer.of(Adam.adam()).learningRate(0.01).build();
  }

  private static void steps(Toy toy, ModelStep step, int from, int to) {
    for (int i = from; i <= to; i++) {
      toy.backward(i);
      Mode.step(toy, step);
    }
  }

  private static void assertSameValues(Map<String, double[]> expected, Toy toy) {
    expected.forEach((name, values) -> assertArrayEquals(values, toy.values(name), name));
  }

  @ParameterizedTest
  @EnumSource
  void bothWaysGiveTheSameBits(Mode mode) {
    WarmstepOptimizer one = adam();
    WarmstepOptimizer other = adam();
    try (Toy toy = new Toy(one);
        Toy twin = new Toy(other)) {
      mode.with(toy, one, step -> steps(toy, step, 1, 6));
      // The twin changes its way in the middle; what is remembered goes over.
      Mode.MODEL_STEP.with(twin, other, step -> steps(twin, step, 1, 2));
      steps(twin, null, 3, 4);
      Mode.MODEL_STEP.with(twin, other, step -> steps(twin, step, 5, 6));
      assertSameValues(toy.allValues(), twin);
      assertEquals(6, other.stepCount());
    }
  }

  @ParameterizedTest
  @EnumSource
  void aFrozenParameterStaysAndKeepsItsState(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            steps(toy, step, 1, 2);
            double[] state = optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg");
            double[] frozen = toy.values(WEIGHT);
            double[] bias = toy.values(BIAS);
            toy.parameters().get(WEIGHT).freeze(true);
            steps(toy, step, 3, 4);
            assertArrayEquals(frozen, toy.values(WEIGHT));
            assertArrayEquals(state, optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg"));
            assertNotEquals(bias[0], toy.values(BIAS)[0]);

            toy.parameters().get(WEIGHT).freeze(false);
            toy.backward(5);
            double[] gradient = toy.gradients(WEIGHT);
            Mode.step(toy, step);
            double[] after = optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg");
            for (int i = 0; i < after.length; i++) {
              assertEquals(0.9 * state[i] + 0.1 * gradient[i], after[i], 1e-6, "goes on from it");
            }
          });
    }
  }

  /** What a group has once is that of the parameters that went on, not that of the frozen one. */
  @Test
  void aParameterThatWasFrozenDoesNotBringTheGroupsNumbersBack() {
    String last = "03Linear_bias";
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Prodigy.prodigy().d0(1e-3)).learningRate(1).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      double frozen = step.state(last, "d")[0];
      toy.parameters().get(last).freeze(true);
      steps(toy, step, 3, 8);
      double d = step.state(WEIGHT, "d")[0];
      assertTrue(d > frozen, d + " is above " + frozen);
      toy.parameters().get(last).freeze(false);
      step.step(); // with gradients of zero, by which no estimate grows
      assertEquals(d, step.state(WEIGHT, "d")[0]);
      assertEquals(d, step.state(last, "d")[0]);
    }
  }

  @Test
  void allFrozenIsAnError() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      toy.backward(1);
      toy.model.getBlock().freezeParameters(true);
      String message = assertThrows(IllegalStateException.class, step::step).getMessage();
      assertTrue(message.contains("all are frozen"), message);
    }
  }

  @ParameterizedTest
  @EnumSource
  void parametersMayBeAddedLater(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    SequentialBlock block = Toy.block();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            steps(toy, step, 1, 3);
            double[] state = optimizer.state(block, WEIGHT, "exp_avg_sq");
            block.add(Linear.builder().setUnits(Toy.CLASSES).build());
            toy.trainer.initialize(new Shape(1, Toy.INPUTS));
            assertArrayEquals(state, optimizer.state(block, WEIGHT, "exp_avg_sq"));
            double[] added = toy.values("04Linear_weight");
            steps(toy, step, 4, 4);
            assertFalse(java.util.Arrays.equals(added, toy.values("04Linear_weight")));
            assertTrue(optimizer.state(block, "04Linear_weight", "exp_avg").length > 0);
            assertEquals(4, optimizer.stepCount());
          });
    }
  }

  /** NDArray.set gives the array other memory, which a step must find. */
  @ParameterizedTest
  @EnumSource
  void anArrayMayBeSetBetweenSteps(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            steps(toy, step, 1, 2);
            double[] state = optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg");
            PtNDArray array = (PtNDArray) toy.array(WEIGHT);
            long before = LibTorch.dataPointer(array);
            array.set(new float[(int) array.size()]);
            assertNotEquals(before, LibTorch.dataPointer(array), "it moved");
            toy.backward(3);
            double[] gradient = toy.gradients(WEIGHT);
            Mode.step(toy, step);
            double[] values = toy.values(WEIGHT);
            double[] after = optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg");
            for (int i = 0; i < values.length; i++) {
              assertTrue(Math.abs(values[i]) < 0.1, "from zero on");
              assertEquals(0.9 * state[i] + 0.1 * gradient[i], after[i], 1e-6, "state goes on");
            }
          });
    }
  }

  /** DJL gives such a parameter zeros, so that weight decay, say, goes on. */
  @ParameterizedTest
  @EnumSource
  void aParameterThatBackwardDidNotReachHasAGradientOfZero(Mode mode) {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd().weightDecay(0.5)).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      double[] before = toy.values(WEIGHT);
      try (GradientCollector collector = toy.trainer.newGradientCollector();
          NDArray loss = toy.array("03Linear_weight").sum()) {
        collector.backward(loss);
      }
      mode.with(toy, optimizer, step -> Mode.step(toy, step));
      double[] after = toy.values(WEIGHT);
      for (int i = 0; i < before.length; i++) {
        assertEquals(before[i] * 0.95, after[i], 1e-6);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aStepWithoutBackwardIsAnError(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer)) {
      Map<String, double[]> before = toy.allValues();
      mode.with(
          toy,
          optimizer,
          step -> {
            String message =
                assertThrows(IllegalStateException.class, () -> Mode.step(toy, step)).getMessage();
            assertTrue(message.contains("backward"), message);
          });
      assertSameValues(before, toy);
    }
  }

  @Test
  void sparseGradientsAreAnError() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer);
        NDManager manager = NDManager.newBaseManager()) {
      Mode.MODEL_STEP.with(toy, optimizer, step -> steps(toy, step, 1, 2));
      // As an embedding with SparseFormat.COO leaves it.
      NDArray table = toy.array("03Linear_weight");
      Map<String, double[]> before = toy.allValues();
      PtNDArray fresh = (PtNDArray) manager.ones(table.getShape());
      fresh.setRequiresGradient(true);
      try (GradientCollector collector = toy.trainer.newGradientCollector()) {
        collector.backward(
            JniUtils.embedding((PtNDArray) manager.create(new long[] {1, 2}), fresh, true).sum());
      }
      PtNDArray sparse = JniUtils.getGradient(fresh);
      assertEquals(SparseFormat.COO, sparse.getSparseFormat());
      ParameterSource source = new FixedSource(toy.model.getBlock(), "03Linear_weight", fresh);
      try (ModelStep other = new ModelStep(source, optimizer)) {
        String message = assertThrows(IllegalArgumentException.class, other::step).getMessage();
        assertTrue(
            message.startsWith("gradients of \"03Linear_weight\" are sparse (COO)"), message);
        assertTrue(message.contains("optSparseFormat(SparseFormat.DENSE)"), message);
      }
      String message =
          assertThrows(IllegalArgumentException.class, () -> optimizer.update("id", fresh, sparse))
              .getMessage();
      assertTrue(message.contains("sparse"), message);
      assertEquals(2, optimizer.stepCount());
      assertSameValues(before, toy);
    }
  }

  @Test
  void arraysThatCannotBeUpdatedInPlaceAreAnError() {
    WarmstepOptimizer optimizer = adam();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray transposed = manager.ones(new Shape(2, 3)).transpose();
      NDArray gradient = manager.ones(new Shape(3, 2));
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> optimizer.update("w", transposed, gradient))
              .getMessage();
      assertTrue(message.startsWith("values of \"w\" of (3, 2) are not contiguous"), message);
      assertEquals(1, transposed.getFloat(0, 0));

      NDArray whole = manager.ones(new Shape(2), DataType.INT32);
      message =
          assertThrows(IllegalArgumentException.class, () -> optimizer.update("w", whole, whole))
              .getMessage();
      assertTrue(message.contains("are int32, must be float32"), message);

      NDArray longer = manager.ones(new Shape(3));
      message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> optimizer.update("w", manager.ones(new Shape(2)), longer))
              .getMessage();
      assertTrue(message.contains("are of (3), must be of (2)"), message);
    }
  }

  /** The remedy that the message names. */
  @Test
  void aContiguousCopyCanBeUpdated() {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).build();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray transposed = manager.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3));
      NDArray weight = transposed.transpose();
      NDArray copy = weight.flatten().reshape(weight.getShape());
      // A gradient is only read, so it may lie as it likes.
      NDArray gradient =
          manager.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3)).transpose();
      optimizer.update("w", copy, gradient);
      assertArrayEquals(new float[6], copy.toFloatArray());
    }
  }

  @Test
  void emptyAndScalarArraysWork() {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).build();
    try (NDManager manager = NDManager.newBaseManager()) {
      optimizer.update("empty", manager.zeros(new Shape(0)), manager.zeros(new Shape(0)));
      NDArray scalar = manager.create(3f);
      optimizer.update("scalar", scalar, manager.create(1f));
      assertEquals(2, scalar.getFloat());
    }
  }

  @ParameterizedTest
  @EnumSource
  void aClosedModelIsAnError(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    Toy toy = new Toy(optimizer);
    mode.with(
        toy,
        optimizer,
        step -> {
          steps(toy, step, 1, 1);
          NDArray weight = toy.array(WEIGHT);
          NDArray gradient = weight.getGradient();
          toy.close();
          String message =
              assertThrows(
                      IllegalStateException.class,
                      () -> {
                        if (step == null) {
                          optimizer.update("id", weight, gradient);
                        } else {
                          step.step();
                        }
                      })
                  .getMessage();
          assertTrue(message.contains("closed"), message);
        });
  }

  @Test
  void aClosedArrayIsAnError() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 1);
      toy.backward(2);
      toy.array(WEIGHT).close();
      String message = assertThrows(IllegalStateException.class, step::step).getMessage();
      assertTrue(message.startsWith("values of \"01Linear_weight\" are closed"), message);
      assertEquals(1, step.stepCount());
    }
  }

  @Test
  void aClosedStepIsAnError() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer)) {
      ModelStep step = ModelStep.of(toy.trainer, optimizer);
      steps(toy, step, 1, 1);
      step.close();
      step.close();
      toy.backward(2);
      assertThrows(IllegalStateException.class, step::step);
      steps(toy, null, 2, 2);
      assertEquals(2, optimizer.stepCount());
    }
  }

  @Test
  void oneOptimizerStepsOneWayAtATime() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 1);
      toy.backward(2);
      assertTrue(
          assertThrows(IllegalStateException.class, toy.trainer::step)
              .getMessage()
              .contains("ModelStep of this optimizer is open"));
      assertTrue(
          assertThrows(IllegalStateException.class, () -> ModelStep.of(toy.trainer, optimizer))
              .getMessage()
              .startsWith("another ModelStep"));
      step.step();
      assertEquals(2, step.stepCount());
    }
  }

  /** As with DJL's optimizers: the state is the optimizer's, whatever the trainer. */
  @ParameterizedTest
  @EnumSource
  void aSecondTrainerGoesOnWithTheSameOptimizer(Mode mode) {
    WarmstepOptimizer optimizer = adam();
    WarmstepOptimizer whole = adam();
    try (Toy toy = new Toy(optimizer);
        Toy expected = new Toy(whole)) {
      mode.with(expected, whole, step -> steps(expected, step, 1, 4));

      mode.with(toy, optimizer, step -> steps(toy, step, 1, 2));
      toy.trainer.close();
      toy.train(optimizer);
      mode.with(toy, optimizer, step -> steps(toy, step, 3, 4));
      assertSameValues(expected.allValues(), toy);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aSecondTrainerWithANewOptimizerStartsAfresh(Mode mode) {
    WarmstepOptimizer first = adam();
    WarmstepOptimizer second = adam();
    try (Toy toy = new Toy(first)) {
      mode.with(toy, first, step -> steps(toy, step, 1, 3));
      toy.trainer.close();
      toy.train(second);
      double[] before = toy.values(WEIGHT);
      mode.with(toy, second, step -> steps(toy, step, 4, 4));
      assertEquals(1, second.stepCount());
      assertEquals(3, first.stepCount());
      double[] after = toy.values(WEIGHT);
      for (int i = 0; i < before.length; i++) {
        assertEquals(0.01, Math.abs(after[i] - before[i]), 1e-3, "Adam's first step is the rate");
      }
    }
  }

  /** A parameter that two blocks share is updated once. */
  @Test
  void aSharedParameterIsUpdatedOnce() {
    Linear shared = Linear.builder().setUnits(Toy.INPUTS).build();
    SequentialBlock block =
        new SequentialBlock()
            .add(shared)
            .add(shared)
            .add(Linear.builder().setUnits(Toy.CLASSES).build());
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).build();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      assertFalse(toy.parameters().containsKey("02Linear_weight"));
      toy.backward(1);
      double[] before = toy.values(WEIGHT);
      double[] gradient = toy.gradients(WEIGHT);
      step.step();
      double[] after = toy.values(WEIGHT);
      for (int i = 0; i < after.length; i++) {
        assertEquals(before[i] - gradient[i], after[i], 1e-6);
      }
    }
  }

  @Test
  void theTrainersMetricsHaveTheStep() {
    WarmstepOptimizer optimizer = adam();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      toy.trainer.setMetrics(new ai.djl.metric.Metrics());
      steps(toy, step, 1, 3);
      assertEquals(3, toy.trainer.getMetrics().getMetric("step").size());
    }
  }

  /** Evaluation sees the updated values: nothing is cached beside DJL's memory. */
  @Test
  void aForwardPassSeesTheUpdate() {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(0.5).build();
    try (Toy toy = new Toy(optimizer);
        NDManager manager = NDManager.newBaseManager();
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      NDList input = new NDList(manager.ones(new Shape(1, Toy.INPUTS)));
      float[] before = toy.trainer.evaluate(input).head().toFloatArray();
      steps(toy, step, 1, 1);
      float[] after = toy.trainer.evaluate(input).head().toFloatArray();
      assertFalse(java.util.Arrays.equals(before, after));
      for (Parameter parameter : toy.parameters().values()) {
        assertTrue(parameter.getArray().hasGradient());
      }
    }
  }
}
