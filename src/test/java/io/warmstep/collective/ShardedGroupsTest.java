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
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StateType;
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
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Groups that workers freeze, unfreeze and add between steps. */
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
              text.append(groups.stepCount(one.name()))
                  .append(groups.isFrozen(one.name()) ? 'f' : ' '));
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
      ShardedRun run,
      Parameters parameters,
      ShardedOptimizer optimizer,
      Seen seen,
      int from,
      int to) {
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
                    ShardedOptimizer optimizer = run.optimizer(parameters, collective, seen::on)) {
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

  /** Of several leaves each, in two arithmetics, so that the order of the norm's leaves shows. */
  private static Parameters first(Device device) {
    return Parameters.on(device)
        .add("a", random(1, 3 * 4096 + 5))
        .add("b", ElementType.FLOAT64, random(2, 9000))
        .add("c", random(3, 3))
        .build();
  }

  /** Which differ between workers until they are added. */
  private static Parameters later(Device device, int seed) {
    return Parameters.on(device)
        .add("d", random(seed + 4, 2 * 4096 + 7))
        .add("e", ElementType.FLOAT64, random(seed + 5, 5 * 4096))
        .add("f", ElementType.BFLOAT16, random(seed + 6, 7000))
        .build();
  }

  private static float[] random(long seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return values;
  }

  private static void setGradients(List<Parameters> sets, int step, int microBatch) {
    int seed = 1000 * step + 10 * microBatch;
    for (Parameters parameters : sets) {
      for (Parameter parameter : parameters) {
        parameter.gradients().copyFrom(random(seed++, (int) parameter.length()));
      }
    }
  }

  private static OptimizerBuilder growing(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW())
        .learningRate(0.01)
        .gradientScale(1 / 8.0)
        .group(ParameterGroup.matching("c").rule(Sgd.sgd()))
        .stateType(StateType.INT8, 8000)
        .clipNorm(1);
  }

  private static final ParameterGroup[] LATER = {
    ParameterGroup.matching("e").rule(Prodigy.prodigy()),
    ParameterGroup.matching("f").rule(Lookahead.around(Adam.adam()))
  };

  private static void look(Seen seen, List<Parameters> sets) {
    StringBuilder text = new StringBuilder();
    sets.forEach(parameters -> text.append(ShardedRun.bits(parameters)));
    seen.bits.add(text.toString());
  }

  private static void grow(OptimizerGroups groups, List<Parameters> sets, Parameters more) {
    groups.add(more, LATER);
    sets.add(more);
  }

  private static void steps(
      ShardedOptimizer optimizer, List<Parameters> sets, Seen seen, int from, int to) {
    for (int step = from; step < to; step++) {
      if (step == 5) {
        optimizer.groups().freeze("c");
        optimizer.groups().freeze("f");
      }
      for (int j = 0; j < 8; j++) {
        if (optimizer.isMine(j)) {
          setGradients(sets, step, j);
          optimizer.accumulate(j);
        }
      }
      optimizer.step();
      look(seen, sets);
    }
  }

  private static Seen grownAlone() {
    Seen seen = new Seen();
    try (Device device = Devices.cpu(1);
        Parameters parameters = first(device);
        Parameters more = later(device, 0);
        Optimizer optimizer =
            seen.on(growing(parameters)).gradientScale(1).lanes(ShardedRun.LANES).build()) {
      List<Parameters> sets = new ArrayList<>(List.of(parameters));
      for (int step = 0; step < STEPS; step++) {
        if (step == 2) {
          grow(optimizer.groups(), sets, more);
        }
        if (step == 5) {
          optimizer.groups().freeze("c");
          optimizer.groups().freeze("f");
        }
        for (int j = 0; j < 8; j++) {
          setGradients(sets, step, j);
          optimizer.accumulate();
        }
        optimizer.step();
        look(seen, sets);
      }
    }
    return seen;
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void parametersAreAddedByAnyNumberOfWorkers(Workers workers, @TempDir Path folder)
      throws Exception {
    Seen expected = grownAlone();
    int saved = 4;
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      List<Seen> all =
          workers.run(
              size,
              collective -> {
                Seen seen = new Seen();
                try (Device device = Devices.cpu(1);
                    Parameters parameters = first(device);
                    Parameters more = later(device, 100 * collective.rank());
                    ShardedOptimizer optimizer =
                        seen.on(growing(parameters))
                            .sharded(collective)
                            .lanes(ShardedRun.LANES)
                            .build()) {
                  List<Parameters> sets = new ArrayList<>(List.of(parameters));
                  steps(optimizer, sets, seen, 0, 2);
                  grow(optimizer.groups(), sets, more);
                  steps(optimizer, sets, seen, 2, saved);
                  optimizer.save(folder);
                  steps(optimizer, sets, seen, saved, STEPS);
                  long count = 0;
                  for (String name : List.of("d", "e", "f")) {
                    count += optimizer.shard(name).count();
                  }
                  assertTrue(count <= more.length() / size + 5 * 4096, size + " workers: " + count);
                }
                return seen;
              });
      for (Seen seen : all) {
        assertEquals(expected.bits, seen.bits, size + " workers");
        assertEquals(expected.reports, seen.reports, size + " workers");
      }
      int others = size % 4 + 1;
      List<List<String>> continued =
          workers.run(
              others,
              collective -> {
                Seen seen = new Seen();
                try (Device device = Devices.cpu(1);
                    Parameters parameters = first(device);
                    Parameters more = later(device, 7);
                    ShardedOptimizer optimizer =
                        growing(parameters).sharded(collective).lanes(ShardedRun.LANES).build()) {
                  List<Parameters> sets = new ArrayList<>(List.of(parameters));
                  grow(optimizer.groups(), sets, more);
                  optimizer.restore(folder);
                  steps(optimizer, sets, seen, saved, STEPS);
                }
                return seen.bits;
              });
      for (List<String> bits : continued) {
        assertEquals(expected.bits.subList(saved, STEPS), bits, size + " to " + others);
      }
    }
  }

  @Test
  void workersThatAddOthersAreFound() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            3,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = first(device);
                  Parameters more = later(device, 0);
                  ShardedOptimizer optimizer =
                      growing(parameters).sharded(collective).lanes(8).build()) {
                optimizer
                    .groups()
                    .add(
                        more,
                        ParameterGroup.matching("e")
                            .learningRateFactor(collective.rank() == 2 ? 3 : 1));
                return null;
              }
            });
    for (Exception failure : failures) {
      assertInstanceOf(WorkersDifferException.class, failure);
      String message = failure.getMessage();
      assertTrue(message.startsWith("what is added must be the same"), message);
      assertTrue(message.contains("learning rate times 3.0"), message);
    }
  }

  /** At all workers alike, so that training goes on without it. */
  @Test
  void whatCannotBeAddedChangesNothing() throws Exception {
    Seen expected = grownAlone();
    List<List<String>> all =
        Workers.IN_PROCESS.run(
            3,
            collective -> {
              Seen seen = new Seen();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = first(device);
                  Parameters more = later(device, 100 * collective.rank());
                  Parameters taken = Parameters.on(device).add("a", new float[5]).build();
                  Parameters small = Parameters.on(device).add("x", new float[9000]).build();
                  ShardedOptimizer optimizer =
                      growing(parameters).sharded(collective).lanes(8).build()) {
                List<Parameters> sets = new ArrayList<>(List.of(parameters));
                steps(optimizer, sets, seen, 0, 1);
                OptimizerGroups groups = optimizer.groups();
                assertThrows(IllegalArgumentException.class, () -> groups.add(taken));
                assertThrows(
                    IllegalArgumentException.class,
                    () -> groups.add(small, ParameterGroup.matching("y")));
                assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        groups.add(small, ParameterGroup.matching("x").learningRateFactor(1e300)));
                int own = 0;
                while (!optimizer.isMine(own)) {
                  own++;
                }
                optimizer.accumulate(own);
                assertThrows(IllegalStateException.class, () -> groups.add(small));
                optimizer.zeroGradients();
                steps(optimizer, sets, seen, 1, 2);
                grow(groups, sets, more);
                steps(optimizer, sets, seen, 2, STEPS);
              }
              return seen.bits;
            });
    all.forEach(bits -> assertEquals(expected.bits, bits));
  }

  /** From the first step after it on: their gradients are neither added up nor zeroed. */
  @Test
  void whatARestoredCheckpointFreezesIsLeftOut(@TempDir Path folder) throws Exception {
    for (boolean isRestored : new boolean[] {false, true}) {
      Workers.IN_PROCESS.run(
          2,
          collective -> {
            try (Device device = Devices.cpu(1);
                Parameters parameters =
                    Parameters.on(device)
                        .add("a", new float[9000])
                        .add("b", new float[9000])
                        .build();
                ShardedOptimizer optimizer =
                    Optimizer.of(parameters)
                        .rule(Sgd.sgd())
                        .learningRate(1)
                        .zeroGradients(true)
                        .group(ParameterGroup.matching("a"))
                        .sharded(collective)
                        .build()) {
              if (isRestored) {
                optimizer.restore(folder);
              } else {
                optimizer.groups().freeze("a");
              }
              float[] gradient = new float[9000];
              Arrays.fill(gradient, 1 + collective.rank());
              parameters.get("a").gradients().copyFrom(gradient);
              parameters.get("b").gradients().copyFrom(gradient);
              optimizer.step();
              assertEquals(1 + collective.rank(), only(parameters.get("a").gradients()));
              assertEquals(0, only(parameters.get("b").gradients()));
              assertEquals(0, only(parameters.get("a").values()));
              assertEquals(isRestored ? -6 : -3, only(parameters.get("b").values()));
              if (!isRestored) {
                optimizer.save(folder);
              }
            }
            return null;
          });
    }
  }
}
