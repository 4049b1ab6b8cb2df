package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.training.GradientCollector;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.EvaluationModeException;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepFailedException;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.ScheduleFreeAdamW;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Models are evaluated with other weights than those that are trained, where a rule has such. */
class EvaluationTest {
  private static final String WEIGHT = "01Linear_weight";
  private static final String LAST = "03Linear_bias";
  private static final int STEPS = 4;

  @TempDir Path folder;

  static Stream<WarmstepOptimizerBuilder> builders() {
    return Stream.of(
        of(ScheduleFreeSgd.scheduleFreeSgd()),
        of(ScheduleFreeAdamW.scheduleFreeAdamW()),
        of(Asgd.asgd().t0(1)),
        of(Adam.adamW()).average(0.9));
  }

  private static WarmstepOptimizerBuilder of(UpdateRule rule) {
    return WarmstepOptimizer.of(rule).learningRate(0.1);
  }

  private static WarmstepOptimizer scheduleFree() {
    return of(ScheduleFreeSgd.scheduleFreeSgd()).build();
  }

  private static void steps(Toy toy, ModelStep step, int from, int to) {
    for (int i = from; i <= to; i++) {
      toy.backward(i);
      step.step();
    }
  }

  private static void assertValues(Map<String, double[]> expected, Toy toy) {
    expected.forEach((name, values) -> assertArrayEquals(values, toy.values(name), name));
  }

  private static void assertOther(Map<String, double[]> values, Toy toy) {
    values.forEach((name, old) -> assertFalse(Arrays.equals(old, toy.values(name)), name));
  }

  /** The bits of Warmstep's own, and training goes on as if nothing had been. */
  @ParameterizedTest
  @MethodSource("builders")
  void swapsTheWeightsInAndOut(WarmstepOptimizerBuilder builder) {
    WarmstepOptimizer optimizer = builder.build();
    WarmstepOptimizer straight = builder.build();
    try (Toy toy = new Toy(optimizer);
        Toy twin = new Toy(straight);
        ModelStep step = ModelStep.of(toy.trainer, optimizer);
        ModelStep other = ModelStep.of(twin.trainer, straight)) {
      steps(toy, step, 1, STEPS);
      Map<String, double[]> trained = toy.allValues();
      Map<String, double[]> expected = evaluated(optimizer, toy);
      assertTrue(step.isTraining());
      step.eval();
      assertFalse(step.isTraining());
      assertOther(trained, toy);
      assertValues(expected, toy);
      step.eval();
      assertValues(expected, toy);
      step.train();
      assertTrue(step.isTraining());
      assertValues(trained, toy);
      step.train();
      steps(toy, step, STEPS + 1, 2 * STEPS);
      steps(twin, other, 1, 2 * STEPS);
      assertValues(twin.allValues(), toy);
    }
  }

  /** What Warmstep's own optimizer makes of copies of the parameters and their state. */
  private static Map<String, double[]> evaluated(WarmstepOptimizer optimizer, Toy toy) {
    try (Device device = Devices.cpu()) {
      ParametersBuilder builder = Parameters.on(device);
      toy.allValues()
          .forEach((name, values) -> builder.add(name, ElementType.FLOAT32, values.length));
      try (Parameters copies = builder.build()) {
        toy.allValues().forEach((name, values) -> copies.get(name).values().copyFrom(values));
        try (Optimizer own = optimizer.recipe().optimizer(copies, STEPS, false)) {
          for (String name : toy.parameters().keySet()) {
            for (String slot : own.stateNames(name)) {
              own.state(name, slot).copyFrom(optimizer.state(toy.model.getBlock(), name, slot));
            }
          }
          own.eval();
          Map<String, double[]> values = new LinkedHashMap<>();
          copies.forEach(copy -> values.put(copy.name(), copy.values().toDoubles()));
          return values;
        }
      }
    }
  }

  @Test
  void whatNeedsTheTrainedWeightsIsRefusedMeanwhile() throws IOException {
    Path file = folder.resolve("state");
    WarmstepOptimizer optimizer = scheduleFree();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      step.save(file);
      byte[] saved = Files.readAllBytes(file);
      step.eval();
      Map<String, double[]> values = toy.allValues();
      toy.backward(3);
      toy.parameters().get(LAST).freeze(true);
      assertThrows(EvaluationModeException.class, step::step);
      assertThrows(EvaluationModeException.class, () -> step.step(0.5));
      assertThrows(EvaluationModeException.class, () -> step.save(file));
      assertThrows(EvaluationModeException.class, () -> step.restore(file));
      assertThrows(IllegalStateException.class, toy.trainer::step);
      assertArrayEquals(saved, Files.readAllBytes(file));
      assertValues(values, toy);
      assertEquals(2, step.stepCount());
      step.train();
      step.step();
      assertEquals(3, step.stepCount());
    }
  }

  /** As after a restart, to see how good the saved model is. */
  @ParameterizedTest
  @MethodSource("builders")
  void aRestoredModelIsEvaluatedBeforeItsFirstStep(WarmstepOptimizerBuilder builder)
      throws IOException {
    Path file = folder.resolve("state");
    WarmstepOptimizer first = builder.build();
    WarmstepOptimizer second = builder.build();
    try (Toy toy = new Toy(first);
        Toy resumed = new Toy(second)) {
      try (ModelStep step = ModelStep.of(toy.trainer, first)) {
        steps(toy, step, 1, STEPS);
        step.save(file);
      }
      Map<String, double[]> trained = toy.allValues();
      toy.parameters()
          .forEach((name, each) -> TorchArrays.copy(each.getArray(), resumed.array(name)));
      try (ModelStep step = ModelStep.of(toy.trainer, first);
          ModelStep other = ModelStep.of(resumed.trainer, second)) {
        step.eval();
        other.restore(file);
        other.eval();
        assertOther(trained, toy);
        assertValues(toy.allValues(), resumed);
        other.train();
        assertValues(trained, resumed);
      }
    }
  }

  @Test
  void closingPutsTheTrainedWeightsBack() {
    WarmstepOptimizer optimizer = scheduleFree();
    try (Toy toy = new Toy(optimizer)) {
      Map<String, double[]> trained;
      try (ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
        steps(toy, step, 1, 2);
        trained = toy.allValues();
        step.eval();
        assertOther(trained, toy);
      }
      assertValues(trained, toy);
    }
  }

  @Test
  void rulesWithoutSuchWeightsChangeNothing() {
    WarmstepOptimizer optimizer = of(Adam.adam()).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      step.eval();
      steps(toy, step, 1, 1);
      Map<String, double[]> trained = toy.allValues();
      step.eval();
      assertTrue(step.isTraining());
      assertValues(trained, toy);
      steps(toy, step, 2, 2);
    }
  }

  /** Nor what has no state yet. */
  @Test
  void frozenParametersAreLeftAlone() {
    WarmstepOptimizer optimizer = of(Asgd.asgd().t0(1)).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      toy.parameters().get(LAST).freeze(true);
      steps(toy, step, 1, STEPS);
      toy.parameters().get(LAST).freeze(false);
      toy.parameters().get(WEIGHT).freeze(true);
      Map<String, double[]> trained = toy.allValues();
      step.eval();
      for (String name : toy.parameters().keySet()) {
        boolean isSame = Arrays.equals(trained.get(name), toy.values(name));
        assertEquals(name.equals(LAST) || name.equals(WEIGHT), isSame, name);
      }
      step.train();
      assertValues(trained, toy);
      toy.parameters().get(WEIGHT).freeze(false);
      steps(toy, step, STEPS + 1, STEPS + 2);
      assertEquals(STEPS + 2, step.stepCount());
      assertEquals(4, optimizer.store().all().size());
    }
  }

  /** Memory that was given back must not be written to. */
  @Test
  void anArrayThatWasReplacedMeanwhileIsAnError() throws IOException {
    Path file = folder.resolve("state");
    for (boolean isClosed : new boolean[] {false, true}) {
      WarmstepOptimizer optimizer = scheduleFree();
      try (Toy toy = new Toy(optimizer)) {
        try (ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
          steps(toy, step, 1, 2);
          step.save(file);
          step.eval();
          toy.array(WEIGHT).set(toy.array(WEIGHT).toFloatArray());
          if (!isClosed) {
            String message = assertThrows(IllegalStateException.class, step::train).getMessage();
            assertTrue(message.contains("\"" + WEIGHT + "\""), message);
            assertThrows(StepFailedException.class, step::step);
            step.restore(file);
            assertTrue(step.isTraining());
            steps(toy, step, 3, 3);
          }
        }
        if (isClosed) {
          assertThrows(StepFailedException.class, () -> optimizer.save(file, toy.model.getBlock()));
        }
      }
    }
  }

  @Test
  void otherDevicesHaveTheSameWeights() {
    WarmstepOptimizer optimizer = scheduleFree();
    try (Toy toy = new Toy(optimizer)) {
      PtNDArray first = replica(toy.array(WEIGHT));
      PtNDArray second = replica(toy.array(WEIGHT));
      FixedSource source = new FixedSource(toy.model.getBlock(), WEIGHT, first, second);
      try (ModelStep step = new ModelStep(source, optimizer)) {
        for (int i = 0; i < 3; i++) {
          try (GradientCollector collector = toy.trainer.newGradientCollector();
              NDArray loss = first.mul(first).sum()) {
            collector.backward(loss);
          }
          step.step();
        }
        double[] trained = Toy.doubles(first);
        step.eval();
        assertFalse(Arrays.equals(trained, Toy.doubles(first)));
        assertArrayEquals(Toy.doubles(first), Toy.doubles(second));
        step.train();
        assertArrayEquals(trained, Toy.doubles(first));
        assertArrayEquals(trained, Toy.doubles(second));
      }
    }
  }

  private static PtNDArray replica(NDArray of) {
    PtNDArray replica = (PtNDArray) of.duplicate();
    replica.setRequiresGradient(true);
    return replica;
  }

  /** PyTorch refuses to go back through values that are there no more. */
  @Test
  void aBackwardPassFromBeforeIsRefused() {
    WarmstepOptimizer optimizer = scheduleFree();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, Toy.block());
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      for (Runnable change : new Runnable[] {step::eval, step::train}) {
        try (GradientCollector collector = toy.trainer.newGradientCollector();
            NDArray loss = toy.array(WEIGHT).mul(toy.array(WEIGHT)).sum()) {
          change.run();
          String message =
              assertThrows(RuntimeException.class, () -> collector.backward(loss)).getMessage();
          assertTrue(message.contains("modified by an inplace operation"), message);
        }
      }
    }
  }

  @Test
  void anAverageIsSaved() throws IOException {
    Path file = folder.resolve("state");
    WarmstepOptimizer optimizer = of(Adam.adamW()).average(0.9).build();
    WarmstepOptimizer without = of(Adam.adamW()).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      step.save(file);
      double[] average = step.state(WEIGHT, "average");
      steps(toy, step, 3, 4);
      step.restore(file);
      assertArrayEquals(average, step.state(WEIGHT, "average"));
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> without.restore(file, toy.model.getBlock()))
              .getMessage();
      assertTrue(message.contains("the file has a step and"), message);
    }
    for (double decay : new double[] {0, 1, Double.NaN}) {
      assertThrows(
          IllegalArgumentException.class, () -> WarmstepOptimizer.of(Adam.adam()).average(decay));
    }
  }
}
