package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.schedule.Schedules;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What sharded optimizers report: what one optimizer of the whole model does. */
class ShardedReportTest {
  private static final int STEPS = 5;

  /** The step that is skipped where such steps are. */
  private static final int BAD = 2;

  private static final List<ElementType> MIXED =
      List.of(ElementType.BFLOAT16, ElementType.FLOAT32, ElementType.FLOAT16, ElementType.FLOAT64);

  private static ShardedRun narrow() {
    return new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
            builder ->
                builder
                    .rule(Adam.adamW())
                    .learningRate(Schedules.linear(1e-4, 0.1, 1, 9))
                    .masterWeights(MasterWeights.BITS_24)
                    .stateType(StateType.INT8)
                    .rounding(Rounding.STOCHASTIC, 7)
                    .clipNorm(15) // which some steps exceed, as the scale grows
                    .lossScaler(LossScaler.dynamic(4, 2, 0.5, 1))
                    .zeroGradients(true))
        .badStep(BAD);
  }

  /** Whose state has numbers that no code stands for. */
  private static ShardedRun saturated() {
    return new ShardedRun(
            List.of(ElementType.FLOAT32),
            builder -> builder.rule(Momentum.heavyBall(0.9)).stateType(StateType.INT8, 0))
        .badStep(BAD);
  }

  static List<ShardedRun> runs() {
    return List.of(
        narrow(),
        saturated(),
        new ShardedRun(
                MIXED,
                builder ->
                    builder
                        .rule(Momentum.heavyBall(0.9))
                        .learningRate(1e-4)
                        .group(ParameterGroup.matching("p1").rule(Adam.adam()))
                        .group(ParameterGroup.matching("p3").learningRateFactor(0))
                        .skipNonFinite(true))
            .badStep(BAD),
        new ShardedRun(MIXED, builder -> builder.rule(Sgd.sgd())).badStep(BAD),
        new ShardedRun(
            List.of(ElementType.FLOAT32),
            builder ->
                builder
                    .rule(Lamb.lamb())
                    .group(ParameterGroup.matching("p3").rule(Lookahead.around(Adam.adam())))
                    .clipNorm(50)));
  }

  /** Two listeners' reports, all of the first one's before the second's. */
  private static final class Listeners {
    final List<StepReport> every = new ArrayList<>();
    final List<StepReport> second = new ArrayList<>();

    OptimizerBuilder on(OptimizerBuilder builder) {
      return builder.listener(every::add, 1).listener(second::add, 2);
    }

    List<List<StepReport>> all() {
      return List.of(every, second);
    }
  }

  private static List<List<StepReport>> alone(ShardedRun run) {
    Listeners listeners = new Listeners();
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        Optimizer optimizer = run.accumulating(parameters, listeners::on)) {
      run.accumulate(parameters, optimizer, 0, STEPS);
    }
    assertEquals(STEPS, listeners.every.size());
    assertEquals(STEPS / 2, listeners.second.size());
    return listeners.all();
  }

  private static List<List<StepReport>> one(ShardedRun run, Collective collective) {
    Listeners listeners = new Listeners();
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        ShardedOptimizer optimizer = run.optimizer(parameters, collective, listeners::on)) {
      for (int step = 0; step < STEPS; step++) {
        run.steps(parameters, optimizer, step, step + 1);
        assertEquals(step + 1, listeners.every.size(), "reports when a step returns");
      }
    }
    return listeners.all();
  }

  @ParameterizedTest
  @MethodSource("runs")
  void everyWorkerReportsWhatOneOptimizerDoes(ShardedRun run) throws Exception {
    List<List<StepReport>> expected = alone(run);
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      for (List<List<StepReport>> its :
          Workers.IN_PROCESS.run(size, collective -> one(run, collective))) {
        assertEquals(expected, its, size + " workers");
      }
    }
  }

  /** Of other groups, too: those that are frozen have no rows. */
  @Test
  void reportsFollowTheGroups() throws Exception {
    ShardedRun run =
        new ShardedRun(
            List.of(ElementType.FLOAT32),
            builder ->
                builder.rule(Sgd.sgd()).group(ParameterGroup.matching("p1").rule(Adam.adam())));
    Listeners listeners = new Listeners();
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        Optimizer optimizer = run.accumulating(parameters, listeners::on)) {
      run.accumulate(parameters, optimizer, 0, 1);
      optimizer.groups().freeze("p1");
      run.accumulate(parameters, optimizer, 1, 3);
      optimizer.groups().unfreeze("p1");
      run.accumulate(parameters, optimizer, 3, STEPS);
    }
    assertEquals(
        List.of(2, 1, 1, 2, 2),
        listeners.every.stream().map(report -> report.updates().size()).toList());
    for (List<List<StepReport>> its :
        Workers.IN_PROCESS.run(
            3,
            collective -> {
              Listeners own = new Listeners();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = run.parameters(device, 0);
                  ShardedOptimizer optimizer = run.optimizer(parameters, collective, own::on)) {
                run.steps(parameters, optimizer, 0, 1);
                optimizer.groups().freeze("p1");
                run.steps(parameters, optimizer, 1, 3);
                optimizer.groups().unfreeze("p1");
                run.steps(parameters, optimizer, 3, STEPS);
              }
              return own.all();
            })) {
      assertEquals(listeners.all(), its);
    }
  }

  @Test
  void processesReportTheSame() throws Exception {
    ShardedRun run = narrow();
    List<List<StepReport>> expected = alone(run);
    for (List<List<StepReport>> its : Workers.TCP.run(4, collective -> one(run, collective))) {
      assertEquals(expected, its);
    }
  }

  /** So that the comparisons above are of something. */
  @Test
  void theReportsSayWhatTheyCan() {
    List<StepReport> reports = alone(narrow()).get(0);
    StepReport last = reports.get(STEPS - 1);
    assertEquals(STEPS - 1, last.step());
    assertEquals(1, last.skippedSteps());
    assertTrue(last.clipRate() > 0 && last.clipRate() < 1, last.toString());
    assertTrue(last.updates().get(0).lost() > 0, last.toString());
    assertEquals(2, last.updates().get(0).codes().size());
    StepReport skipped = reports.get(BAD);
    assertEquals(BAD, skipped.step());
    assertEquals(2, skipped.updates().get(0).codes().size());
    assertEquals(Double.NaN, skipped.updates().get(0).toWeight());
    StepReport.Update after = alone(saturated()).get(0).get(BAD).updates().get(0);
    assertTrue(after.codes().get(0).saturated() > 0, after.toString());
  }

  /** The others take part, and one of them wants fewer numbers. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void workersNeedNotHaveTheSameListeners(Workers workers) throws Exception {
    ShardedRun run = narrow();
    List<List<StepReport>> expected = alone(run);
    List<List<StepReport>> seen =
        workers.run(
            3,
            collective -> {
              List<StepReport> reports = new ArrayList<>();
              UnaryOperator<OptimizerBuilder> own =
                  switch (collective.rank()) {
                    case 0 -> UnaryOperator.identity();
                    case 1 -> builder -> builder.listener(reports::add, 2);
                    default -> builder -> builder.listener(reports::add, 1).measureUpdates(false);
                  };
              try (Device device = Devices.cpu(1);
                  Parameters parameters = run.parameters(device, 0);
                  ShardedOptimizer optimizer = run.optimizer(parameters, collective, own)) {
                run.steps(parameters, optimizer, 0, STEPS);
              }
              return reports;
            });
    assertEquals(List.of(), seen.get(0));
    assertEquals(expected.get(1), seen.get(1));
    List<StepReport> few =
        expected.get(0).stream()
            .map(
                report ->
                    new StepReport(
                        report.step(),
                        report.learningRate(),
                        report.loss(),
                        report.gradientNorm(),
                        report.clipRate(),
                        report.skippedSteps(),
                        List.of()))
            .toList();
    assertEquals(few, seen.get(2));
  }

  /** Counted from the first step on, by each worker's own interval. */
  @Test
  void stepsAreReportedAtTheirIntervals() throws Exception {
    List<List<Long>> seen =
        Workers.IN_PROCESS.run(
            2,
            collective -> {
              List<Long> reported = new ArrayList<>();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Sgd.sgd())
                          .learningRate(1)
                          .listener(report -> reported.add(report.step()), 3 + collective.rank())
                          .sharded(collective)
                          .build()) {
                for (int step = 0; step < 13; step++) {
                  optimizer.step();
                }
              }
              return reported;
            });
    assertEquals(List.of(List.of(3L, 6L, 9L, 12L), List.of(4L, 8L, 12L)), seen);
  }

  /** That of a worker which has none does not count. */
  @Test
  void theLossIsTheMeanOfTheWorkers() throws Exception {
    List<List<Double>> seen =
        Workers.IN_PROCESS.run(
            4,
            collective -> {
              List<Double> losses = new ArrayList<>();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = Parameters.on(device).add("w", new float[9000]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Sgd.sgd())
                          .learningRate(1)
                          .measureUpdates(false)
                          .listener(report -> losses.add(report.loss()), 1)
                          .sharded(collective)
                          .build()) {
                int rank = collective.rank();
                optimizer.step();
                for (int worker = 0; worker < 4; worker++) {
                  if (rank == worker) {
                    optimizer.reportLoss(Math.pow(2, worker));
                  }
                  optimizer.step();
                }
                optimizer.reportLoss(rank == 2 ? Double.NaN : 1);
                optimizer.step();
              }
              return losses;
            });
    for (List<Double> losses : seen) {
      assertEquals(List.of(Double.NaN, 1.0, 1.5, 7 / 3.0, 15 / 4.0, Double.NaN), losses);
    }
  }

  @Test
  void aListenersFailureIsItsWorkersAlone() throws Exception {
    ShardedRun run = narrow();
    String expected = run.accumulated(STEPS);
    List<String> seen =
        Workers.IN_PROCESS.run(
            3,
            collective -> {
              int rank = collective.rank();
              List<Long> reported = new ArrayList<>();
              try (Device device = Devices.cpu(1);
                  Parameters parameters = run.parameters(device, 0);
                  ShardedOptimizer optimizer =
                      run.optimizer(
                          parameters,
                          collective,
                          builder ->
                              builder.listener(
                                  report -> {
                                    reported.add(report.step());
                                    if (rank == 1) {
                                      throw new IllegalStateException("disk full");
                                    }
                                  },
                                  2))) {
                for (int step = 0; step < STEPS; step++) {
                  int next = step;
                  if (rank == 1 && step % 2 == 1) {
                    assertEquals(
                        "disk full",
                        assertThrows(
                                IllegalStateException.class,
                                () -> run.steps(parameters, optimizer, next, next + 1))
                            .getMessage());
                  } else {
                    run.steps(parameters, optimizer, next, next + 1);
                  }
                }
                assertEquals(STEPS - 1, optimizer.stepCount());
                assertEquals(List.of(2L, 3L), reported);
                return ShardedRun.bits(parameters);
              }
            });
    seen.forEach(bits -> assertEquals(expected, bits));
  }
}
