package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.OptimizerGroups;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Sgd;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Groups that workers freeze and unfreeze between steps. */
class ShardedGroupsTest {
  private static final int STEPS = 9;

  private static final List<ElementType> MIXED =
      List.of(ElementType.FLOAT32, ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT64);

  private static ShardedRun run() {
    return new ShardedRun(MIXED, ShardedGroupsTest::choices);
  }

  private static OptimizerBuilder choices(OptimizerBuilder builder) {
    return builder
        .rule(Adam.adamW())
        .group(ParameterGroup.matching("p3"))
        .group(ParameterGroup.matching("p1").rule(Lamb.lamb()))
        .group(ParameterGroup.matching("p5").rule(Prodigy.prodigy()))
        .group(ParameterGroup.matching("p6").rule(Lookahead.around(Adam.adam())))
        .clipNorm(50)
        .skipNonFinite(true)
        .zeroGradients(true);
  }

  /** What changes before a step. */
  private static void change(OptimizerGroups groups, int step) {
    switch (step) {
      case 1 -> groups.freeze("p3"); // the first to be updated
      case 2 -> {
        groups.freeze("*");
        groups.freeze("p5");
        groups.unfreeze("p3");
      }
      case 4 -> groups.unfreeze("*");
      case 5 -> {
        groups.patterns().forEach(groups::freeze);
      }
      case 6 -> {
        groups.patterns().forEach(groups::unfreeze);
        groups.freeze("p1");
      }
      case 8 -> groups.unfreeze("p1");
      default -> {}
    }
  }

  /** All that was seen: bits after each step, reports, and the groups' steps. */
  private static final class Seen {
    final List<String> bits = new ArrayList<>();
    final List<StepReport> reports = new ArrayList<>();

    OptimizerBuilder on(OptimizerBuilder builder) {
      return builder.listener(reports::add, 1);
    }

    void look(Parameters parameters, OptimizerGroups groups) {
      StringBuilder text = new StringBuilder(ShardedRun.bits(parameters));
      parameters.forEach(
          one ->
              text.append(groups.stepCount(one.name())).append(groups.isFrozen(one.name()) ? 'f' : ' '));
      bits.add(text.toString());
    }

    List<Object> all() {
      return List.of(bits, reports);
    }
  }

  private static Seen alone(ShardedRun run) {
    Seen seen = new Seen();
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        Optimizer optimizer = run.accumulating(parameters, seen::on)) {
      for (int step = 0; step < STEPS; step++) {
        change(optimizer.groups(), step);
        run.accumulate(parameters, optimizer, step, step + 1);
        seen.look(parameters, optimizer.groups());
      }
    }
    return seen;
  }

  private static void steps(
      ShardedRun run, Parameters parameters, ShardedOptimizer optimizer, Seen seen, int from, int to) {
    for (int step = from; step < to; step++) {
      change(optimizer.groups(), step);
      run.steps(parameters, optimizer, step, step + 1);
      seen.look(parameters, optimizer.groups());
    }
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void frozenGroupsAreLeftOutByAnyNumberOfWorkers(Workers workers) throws Exception {
    ShardedRun run = run();
    Seen expected = alone(run);
    assertNotEquals(expected.bits.get(3), expected.bits.get(4));
    assertEquals(STEPS, expected.reports.size());
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      List<Seen> all =
          workers.run(
              size,
              collective -> {
                Seen seen = new Seen();
                try (Device device = Devices.cpu(1);
                    Parameters parameters = run.parameters(device, 0);
                    ShardedOptimizer optimizer =
                        run.optimizer(parameters, collective, seen::on)) {
                  steps(run, parameters, optimizer, seen, 0, STEPS);
                }
                return seen;
              });
      for (Seen seen : all) {
        assertEquals(expected.all(), seen.all(), size + " workers");
      }
    }
  }

  /** Saved while groups are frozen, which they are again, with other workers. */
  @Test
  void aCheckpointKeepsWhatIsFrozen(@TempDir Path folder) throws Exception {
    ShardedRun run = run();
    List<String> expected = alone(run).bits;
    int saved = 4;
    Workers.IN_PROCESS.run(
        3,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            steps(run, parameters, optimizer, new Seen(), 0, saved);
            optimizer.save(folder);
          }
          return null;
        });
    for (int size : new int[] {1, 2, 4}) {
      List<List<String>> all =
          Workers.IN_PROCESS.run(
              size,
              collective -> {
                Seen seen = new Seen();
                try (Device device = Devices.cpu(1);
                    Parameters parameters = run.parameters(device, 77);
                    ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
                  optimizer.restore(folder);
                  assertTrue(optimizer.groups().isFrozen("p5"));
                  steps(run, parameters, optimizer, seen, saved, STEPS);
                }
                return seen.bits;
              });
      for (List<String> seen : all) {
        assertEquals(expected.subList(saved, STEPS), seen, size + " workers");
      }
    }
  }

  /** Zeroed by a step otherwise, and added up. */
  @Test
  void gradientsOfFrozenGroupsStay() throws Exception {
    for (boolean isFast : new boolean[] {false, true}) {
      List<List<Float>> all =
          Workers.IN_PROCESS.run(
              3,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters =
                        Parameters.on(device)
                            .add("a", new float[9000])
                            .add("b", new float[9000])
                            .build()) {
                  OptimizerBuilder builder =
                      Optimizer.of(parameters)
                          .rule(Sgd.sgd())
                          .learningRate(1)
                          .zeroGradients(true)
                          .group(ParameterGroup.matching("a"));
                  try (ShardedOptimizer optimizer =
                      isFast
                          ? builder.sharded(collective).fast().build()
                          : builder.sharded(collective).build()) {
                    optimizer.groups().freeze("a");
                    float[] gradient = new float[9000];
                    Arrays.fill(gradient, 1 + collective.rank());
                    parameters.get("a").gradients().copyFrom(gradient);
                    parameters.get("b").gradients().copyFrom(gradient);
                    optimizer.step();
                    assertEquals(1 + collective.rank(), only(parameters.get("a").gradients()));
                    optimizer.zeroGradients();
                    assertEquals(1 + collective.rank(), only(parameters.get("a").gradients()));
                    return List.of(
                        only(parameters.get("a").values()),
                        only(parameters.get("b").values()),
                        only(parameters.get("b").gradients()));
                  }
                }
              });
      all.forEach(seen -> assertEquals(List.of(0f, -6f, 0f), seen));
    }
  }

  /** The number that all elements have. */
  private static float only(Tensor tensor) {
    float[] values = tensor.toFloats();
    for (float value : values) {
      assertEquals(values[0], value);
    }
    return values[0];
  }

  @Test
  void aWorkerThatFreezesOthersIsFound() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            3,
            Workers.LIMIT,
            collective -> {
              ShardedRun run = run();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = run.parameters(device, 0);
                  ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
                optimizer.groups().freeze("p3");
                run.steps(parameters, optimizer, 0, 1);
                if (collective.rank() == 1) {
                  optimizer.groups().freeze("p1");
                }
                run.steps(parameters, optimizer, 1, 2);
                return null;
              }
            });
    for (Exception failure : failures) {
      assertInstanceOf(WorkersDifferException.class, failure);
      String message = failure.getMessage();
      assertTrue(message.contains("and frozen groups [p3], and worker 1 step 2"), message);
      assertTrue(message.endsWith("and frozen groups [p3, p1]"), message);
    }
  }

  @Test
  void microBatchesOfOtherGroupsAreNotLost() throws Exception {
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          ShardedRun run = run();
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            optimizer.accumulate(4L * collective.rank());
            String refused =
                assertThrows(IllegalStateException.class, () -> optimizer.groups().freeze("p3"))
                    .getMessage();
            assertTrue(refused.contains("change groups right after a step"), refused);
            optimizer.zeroGradients();
            optimizer.groups().freeze("p3");
            assertThrows(IllegalArgumentException.class, () -> optimizer.groups().freeze("p4"));
            run.steps(parameters, optimizer, 0, 1);
            assertEquals(List.of("p3", "p1", "p5", "p6", "*"), optimizer.groups().patterns());
            assertEquals(0, optimizer.groups().stepCount("p3"));
            assertEquals(1, optimizer.groups().stepCount("p0"));
          }
          return null;
        });
  }
}
