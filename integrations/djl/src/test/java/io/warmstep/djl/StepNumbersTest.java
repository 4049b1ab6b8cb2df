package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.tracker.Tracker;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every parameter of a step has the step's number, whatever it missed: both ways are the same. */
class StepNumbersTest {
  private static final String[] NAMES = {
    "01Linear_weight", "01Linear_bias", "03Linear_weight", "03Linear_bias"
  };

  @TempDir Path folder;

  /** A tracker that records which numbers it was asked for. */
  private static final class Asked implements Tracker {
    final List<Integer> numbers = new ArrayList<>();

    @Override
    public float getNewValue(int number) {
      numbers.add(number);
      return 0.01f * number;
    }

    /** The distinct numbers since the last call. */
    Set<Integer> taken() {
      Set<Integer> taken = new TreeSet<>(numbers);
      numbers.clear();
      return taken;
    }
  }

  private static WarmstepOptimizer adam(Tracker tracker) {
    return WarmstepOptimizer.of(Adam.adam()).optLearningRateTracker(tracker).build();
  }

  private static Set<Integer> step(Toy toy, ModelStep step, int seed, Asked asked) {
    toy.backward(seed);
    Mode.step(toy, step);
    return asked.taken();
  }

  /** Which is first in DJL's order is left to its map, so each parameter has its turn. */
  @ParameterizedTest
  @ValueSource(strings = {"01Linear_weight", "01Linear_bias", "03Linear_weight", "03Linear_bias"})
  void aParameterThatWasFrozenHasTheNumberOfTheOthers(String name) {
    for (int frozenSteps = 1; frozenSteps <= 3; frozenSteps++) {
      int frozen = frozenSteps;
      assertBothWaysAreEqual(
          (toy, run) -> {
            run.steps(2);
            toy.parameters().get(name).freeze(true);
            run.steps(frozen);
            toy.parameters().get(name).freeze(false);
            run.steps(3);
          });
    }
  }

  /** Each step trains what the step before left out. */
  @Test
  void halvesMayBeTrainedInTurn() {
    assertBothWaysAreEqual(
        (toy, run) -> {
          for (int i = 0; i < 6; i++) {
            for (int p = 0; p < NAMES.length; p++) {
              toy.parameters().get(NAMES[p]).freeze((p < 2) == (i % 2 == 0));
            }
            run.steps(1);
          }
        });
  }

  /** Any of them, at any time, several times over. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void freezingAtRandomLeavesTheNumbers(long seed) {
    assertBothWaysAreEqual(
        (toy, run) -> {
          SplittableRandom random = new SplittableRandom(seed);
          for (int i = 0; i < 12; i++) {
            int trained = random.nextInt(NAMES.length); // one at least
            for (int p = 0; p < NAMES.length; p++) {
              toy.parameters().get(NAMES[p]).freeze(p != trained && random.nextInt(3) == 0);
            }
            run.steps(1);
          }
        });
  }

  @Test
  void oneThatIsAddedHasTheNumberOfTheOthers() {
    assertBothWaysAreEqual(
        (toy, run) -> {
          run.steps(3);
          ((SequentialBlock) toy.model.getBlock())
              .add(Linear.builder().setUnits(Toy.CLASSES).build());
          ai.djl.engine.Engine.getInstance().setRandomSeed(2);
          toy.trainer.initialize(new Shape(1, Toy.INPUTS));
          run.steps(3);
        });
  }

  private interface Scenario {
    void run(Toy toy, Run run);
  }

  /** Takes steps and checks that each has one number, the next. */
  private static final class Run {
    private final Toy toy;
    private final ModelStep step;
    private final Asked asked;
    private int done;

    Run(Toy toy, ModelStep step, Asked asked) {
      this.toy = toy;
      this.step = step;
      this.asked = asked;
    }

    void steps(int count) {
      for (int i = 0; i < count; i++) {
        done++;
        assertEquals(Set.of(done), step(toy, step, done, asked), "numbers of step " + done);
      }
    }
  }

  private static void assertBothWaysAreEqual(Scenario scenario) {
    List<Map<String, double[]>> results = new ArrayList<>();
    for (Mode mode : Mode.values()) {
      Asked asked = new Asked();
      WarmstepOptimizer optimizer = adam(asked);
      try (Toy toy = new Toy(optimizer, DataType.FLOAT32, Toy.block())) {
        Consumer<ModelStep> work = step -> scenario.run(toy, new Run(toy, step, asked));
        mode.with(toy, optimizer, work);
        results.add(toy.allValues());
      }
    }
    results
        .get(0)
        .forEach((name, values) -> assertArrayEquals(values, results.get(1).get(name), name));
  }

  /** The file has a number for each parameter; the next step is one more than the highest. */
  @ParameterizedTest
  @EnumSource
  void restoredParametersHaveOneNumber(Mode mode) throws Exception {
    Path file = folder.resolve("state");
    WarmstepOptimizer saved = adam(new Asked());
    try (Toy toy = new Toy(saved);
        ModelStep step = ModelStep.of(toy.trainer, saved)) {
      for (int i = 1; i <= 5; i++) {
        toy.parameters().get(NAMES[0]).freeze(i > 2);
        toy.backward(i);
        step.step();
      }
      step.save(file);
    }
    Asked asked = new Asked();
    WarmstepOptimizer optimizer = adam(asked);
    try (Toy toy = new Toy(optimizer)) {
      optimizer.restore(file, toy.model.getBlock());
      mode.with(
          toy,
          optimizer,
          step -> {
            assertEquals(Set.of(6), step(toy, step, 6, asked));
            assertEquals(Set.of(7), step(toy, step, 7, asked));
          });
      assertEquals(7, optimizer.stepCount());
      assertEquals(0, optimizer.store().all().size() - NAMES.length);
    }
  }

  @ParameterizedTest
  @EnumSource
  void countingMayBeginLater(Mode mode) {
    Asked asked = new Asked();
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adam())
            .optLearningRateTracker(asked)
            .optBeginNumUpdate(10)
            .build();
    try (Toy toy = new Toy(optimizer)) {
      assertEquals(10, optimizer.stepCount());
      mode.with(toy, optimizer, step -> assertEquals(Set.of(11), step(toy, step, 1, asked)));
    }
  }

  private static void assertRefused(String message, WarmstepOptimizer optimizer, Mode mode) {
    try (Toy toy = new Toy(optimizer)) {
      long count = optimizer.stepCount();
      Map<String, double[]> before = toy.allValues();
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(1);
            assertEquals(
                message,
                assertThrows(IllegalStateException.class, () -> Mode.step(toy, step)).getMessage());
          });
      assertEquals(count, optimizer.stepCount());
      toy.allValues().forEach((name, values) -> assertArrayEquals(before.get(name), values, name));
    }
  }

  /** DJL's trackers take an int. */
  @ParameterizedTest
  @EnumSource
  void aTrackerIsNotAskedForNumbersThatItCannotCount(Mode mode) {
    Asked asked = new Asked();
    assertRefused(
        "step is 2147483648, must be at most 2147483647 for one of DJL's trackers: use"
            + " learningRate(...) with a schedule",
        WarmstepOptimizer.of(Adam.adam())
            .optLearningRateTracker(asked)
            .optBeginNumUpdate(Integer.MAX_VALUE)
            .build(),
        mode);
    assertEquals(Set.of(), asked.taken());
  }

  /** The number of steps after one more. */
  private static long countAfterAStep(WarmstepOptimizer optimizer, Mode mode) {
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            toy.backward(1);
            Mode.step(toy, step);
          });
      return optimizer.stepCount();
    }
  }

  /** A schedule counts on where a tracker cannot. */
  @ParameterizedTest
  @EnumSource
  void aScheduleIsAskedForAnyNumber(Mode mode) {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adam())
            .learningRate(0.01)
            .optBeginNumUpdate(Integer.MAX_VALUE)
            .build();
    assertEquals(1L + Integer.MAX_VALUE, countAfterAStep(optimizer, mode));
  }

  private static WarmstepOptimizer restored(long steps) {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Adam.adam()).learningRate(0.01).build();
    optimizer.store().replace(Map.of("any", new ParameterState(steps, Map.of())));
    return optimizer;
  }

  @ParameterizedTest
  @EnumSource
  void theGreatestNumberIsTakenAndNoneAfterIt(Mode mode) {
    assertEquals(Long.MAX_VALUE, countAfterAStep(restored(Long.MAX_VALUE - 1), mode));
    assertRefused(
        "stepCount is 9223372036854775807, must be less for another step: restore a state that"
            + " counts fewer",
        restored(Long.MAX_VALUE),
        mode);
  }

  @Test
  void stepsSayWhoseTheyAreAndHowFar() {
    Schedule schedule = Schedules.constant(0.01);
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adam()).learningRate(schedule).optBeginNumUpdate(3).build();
    try (Toy toy = new Toy(optimizer)) {
      ModelStep step = ModelStep.of(toy.trainer, optimizer);
      assertEquals("ModelStep of adam at step 3, " + schedule, step.toString());
      toy.backward(1);
      step.step();
      assertEquals("ModelStep of adam at step 4, " + schedule, step.toString());
      step.close();
      assertEquals("ModelStep of adam at step 4, " + schedule + " (closed)", step.toString());
    }
    WarmstepOptimizer tracked = adam(new Asked());
    assertEquals("adam at step 0, DJL's Asked", tracked.toString());
  }
}
