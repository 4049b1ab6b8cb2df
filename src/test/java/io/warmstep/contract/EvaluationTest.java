package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.EvaluationModeException;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.EvaluationWeights;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.ScheduleFreeAdamW;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.TestModel;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The weights that a rule trains, and those to evaluate with. */
class EvaluationTest {
  private static final ScheduleFreeSgd SGD = ScheduleFreeSgd.scheduleFreeSgd().momentum(0.8);
  private static final double RATE = 0.0625;
  private static final int LENGTH = 4_101;

  private static TestModel model(Device device, ContractBackend backend) {
    TestModel model = new TestModel(device);
    SplittableRandom random = new SplittableRandom(5);
    for (ElementType type : backend.types()) {
      for (Placement placement : backend.placements()) {
        String name = type + "." + placement;
        model.add(name, type, placement, Numbers.ordinary(random, type, LENGTH));
      }
    }
    return model;
  }

  private static void step(TestModel model, Optimizer optimizer, int step) {
    SplittableRandom random = new SplittableRandom(step);
    for (Parameter parameter : model.parameters()) {
      model.gradients(
          parameter.name(), Numbers.ordinary(random, parameter.values().type(), LENGTH));
    }
    optimizer.step();
  }

  private static Map<String, double[]> values(TestModel model) {
    Map<String, double[]> values = new HashMap<>();
    model.parameters().forEach(p -> values.put(p.name(), model.values(p.name())));
    return values;
  }

  private static void assertSame(Map<String, double[]> expected, TestModel model) {
    expected.forEach((name, bits) -> Bits.assertSame(bits, model.values(name), () -> name));
  }

  private static Optimizer optimizer(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters).rule(rule).learningRate(RATE).build();
  }

  /** What is to be evaluated, by the formula, in the parameter's arithmetic and rounded to it. */
  private static double[] interpolated(
      ElementType type, double[] trained, double[] slot, double weight) {
    double[] values = new double[trained.length];
    for (int i = 0; i < values.length; i++) {
      double value;
      if (weight == 1) {
        value = slot[i];
      } else if (type == ElementType.FLOAT64) {
        value = Math.fma(weight, slot[i] - trained[i], trained[i]);
      } else {
        float p = (float) trained[i];
        value = Math.fma((float) weight, (float) slot[i] - p, p);
      }
      values[i] = Numbers.round(type, value);
    }
    return values;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void swapsThereAndBackByTheBit(ContractBackend backend) {
    for (UpdateRule rule : List.of(SGD, ScheduleFreeAdamW.scheduleFreeAdamW(), Asgd.asgd().t0(1))) {
      EvaluationWeights weights = rule.evaluation().orElseThrow();
      try (TestModel model = model(backend.shared(), backend);
          TestModel other = model(backend.shared(), backend);
          Optimizer optimizer = optimizer(model.parameters(), rule);
          Optimizer undisturbed = optimizer(other.parameters(), rule)) {
        for (int step = 1; step <= 3; step++) {
          step(model, optimizer, step);
          step(other, undisturbed, step);
          Map<String, double[]> trained = values(model);
          for (int i = 0; i < 2; i++) { // a second call does nothing
            optimizer.eval();
            assertFalse(optimizer.isTraining());
            for (Parameter parameter : model.parameters()) {
              String name = parameter.name();
              Bits.assertSame(
                  interpolated(
                      parameter.values().type(),
                      trained.get(name),
                      optimizer.state(name, weights.slot()).toDoubles(),
                      weights.weight()),
                  model.values(name),
                  () -> name);
            }
          }
          for (int i = 0; i < 2; i++) {
            optimizer.train();
            assertTrue(optimizer.isTraining());
            assertSame(trained, model);
          }
        }
        assertSame(values(other), model);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void whatNeedsTheTrainedWeightsIsRefused(ContractBackend backend) throws IOException {
    BytesChannel file = new BytesChannel();
    try (TestModel model = model(backend.shared(), backend);
        Parameters more = Parameters.on(backend.shared()).add("more", new float[3]).build();
        Optimizer optimizer = optimizer(model.parameters(), SGD)) {
      step(model, optimizer, 1);
      optimizer.checkpoint().save(file);
      optimizer.eval();
      Map<String, double[]> evaluated = values(model);
      Map<String, Executable> calls =
          Map.of(
              "step()", optimizer::step,
              "restore()", () -> optimizer.checkpoint().restore(file.position(0)),
              "groups().add()", () -> optimizer.groups().add(more));
      calls.forEach(
          (name, call) -> {
            EvaluationModeException e = assertThrows(EvaluationModeException.class, call);
            assertEquals(
                name
                    + " was called in evaluation mode, in which the parameters hold the weights to"
                    + " evaluate with: call train() first",
                e.getMessage());
          });
      assertEquals(1, optimizer.stepCount());
      assertSame(evaluated, model);
      optimizer.train();
      optimizer.groups().add(more);
      step(model, optimizer, 2);
      optimizer.eval();
      assertFalse(optimizer.isTraining());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void aCheckpointHasTheTrainedWeights(ContractBackend backend) throws IOException {
    BytesChannel training = new BytesChannel();
    BytesChannel evaluating = new BytesChannel();
    try (TestModel model = model(backend.shared(), backend);
        TestModel other = model(backend.shared(), backend);
        Optimizer optimizer = optimizer(model.parameters(), SGD);
        Optimizer resumed = optimizer(other.parameters(), SGD)) {
      for (int step = 1; step <= 3; step++) {
        step(model, optimizer, step);
      }
      optimizer.checkpoint().save(training);
      optimizer.eval();
      optimizer.checkpoint().save(evaluating);
      assertArrayEquals(training.content(), evaluating.content());
      resumed.checkpoint().restore(evaluating.position(0));
      resumed.eval();
      assertSame(values(model), other);
      optimizer.train();
      resumed.train();
      step(model, optimizer, 4);
      step(other, resumed, 4);
      assertSame(values(model), other);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void onlyGroupsThatHaveSuchWeightsAreSwapped(ContractBackend backend) {
    try (TestModel model = model(backend.shared(), backend);
        Optimizer optimizer =
            Optimizer.of(model.parameters())
                .rule(Momentum.heavyBall(0.9))
                .group(ParameterGroup.matching("float32.*").rule(SGD))
                .group(
                    ParameterGroup.matching("bfloat16.*")
                        .rule(ScheduleFreeAdamW.scheduleFreeAdamW()))
                .learningRate(RATE)
                .build()) {
      optimizer.groups().freeze("bfloat16.*"); // without a step there is nothing to swap
      step(model, optimizer, 1);
      step(model, optimizer, 2);
      optimizer.groups().freeze("float32.*"); // what it has been trained to is swapped all the same
      Map<String, double[]> trained = values(model);
      optimizer.eval();
      trained.forEach(
          (name, values) ->
              assertEquals(
                  !name.startsWith("float32"), Arrays.equals(values, model.values(name)), name));
      optimizer.groups().unfreeze("float32.*");
      optimizer.groups().unfreeze("bfloat16.*");
      optimizer.train();
      assertSame(trained, model);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void withoutSuchWeightsNothingChanges(ContractBackend backend) {
    try (TestModel model = model(backend.shared(), backend);
        Optimizer optimizer = optimizer(model.parameters(), Momentum.heavyBall(0.9))) {
      step(model, optimizer, 1);
      Map<String, double[]> trained = values(model);
      optimizer.eval();
      assertTrue(optimizer.isTraining());
      assertSame(trained, model);
      step(model, optimizer, 2);
      optimizer.train();
      assertEquals(2, optimizer.stepCount());
    }
  }

  /** Weights that are loaded into a model after its optimizer was made are where it starts. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void stateBeginsAsACopyOfWhatTheFirstStepFinds(ContractBackend backend) {
    for (ElementType type : backend.types()) {
      double[] loaded = Numbers.ordinary(new SplittableRandom(8), type, LENGTH);
      try (Parameters late = Parameters.on(backend.shared()).add("w", type, LENGTH).build();
          Parameters early = Parameters.on(backend.shared()).add("w", type, LENGTH).build();
          Optimizer before = optimizer(late, SGD)) {
        before.eval();
        assertFalse(before.isTraining());
        before.train();
        late.get("w").values().copyFrom(loaded);
        early.get("w").values().copyFrom(loaded);
        try (Optimizer after = optimizer(early, SGD)) {
          Bits.assertSame(loaded, after.state("w", "z").toDoubles(), () -> type + ", z");
          for (Parameters each : List.of(late, early)) {
            each.get("w").gradients().copyFrom(loaded);
          }
          before.step();
          after.step();
          Bits.assertSame(
              after.state("w", "z").toDoubles(),
              before.state("w", "z").toDoubles(),
              () -> type + ", z");
          Bits.assertSame(
              early.get("w").values().toDoubles(),
              late.get("w").values().toDoubles(),
              () -> type + ", w");
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void closingLeavesTheWeightsToEvaluateWith(ContractBackend backend) {
    try (TestModel model = model(backend.shared(), backend)) {
      Map<String, double[]> evaluated;
      try (Optimizer optimizer = optimizer(model.parameters(), SGD)) {
        step(model, optimizer, 1);
        step(model, optimizer, 2);
        optimizer.eval();
        evaluated = values(model);
      }
      assertSame(evaluated, model);
    }
  }
}
