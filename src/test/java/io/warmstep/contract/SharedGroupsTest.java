package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import io.warmstep.StepReport;
import io.warmstep.collective.Workers;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Workers that share a model report, freeze and add as one optimizer, whatever their devices. */
class SharedGroupsTest {
  private static final int WORKERS = 3;

  /**
   * Rules with sums over a group, of which a worker may have nothing, and what copies are compared
   * of.
   *
   * @param all the rule of all groups but one
   * @param one that group's
   */
  private record Training(UpdateRule all, UpdateRule one) {}

  static List<Arguments> backendsAndRules() {
    UpdateRule prodigy = Prodigy.prodigy();
    List<Training> trainings =
        List.of(
            new Training(Adam.adamW(), Adam.adamW()),
            new Training(prodigy, prodigy),
            new Training(prodigy, Lookahead.around(prodigy).k(2)));
    return ContractBackend.all().stream()
        .flatMap(backend -> trainings.stream().map(one -> Arguments.of(backend, one)))
        .toList();
  }

  /** The parameters before and after the addition, and what was seen of them. */
  private static final class Run {
    final Parameters first;
    final Parameters more;
    final List<StepReport> reports = new ArrayList<>();
    final List<Integer> bits = new ArrayList<>();

    private final Training training;

    Run(Device device, Training training) {
      this.training = training;
      first =
          Parameters.on(device)
              .add("a", random(1, 3 * 4096 + 5))
              .add("b", ElementType.FLOAT64, random(2, 9000))
              .build();
      more = Parameters.on(device).add("c", random(3, 9000)).build();
    }

    OptimizerBuilder builder() {
      return Optimizer.of(first)
          .rule(training.all)
          .learningRate(0.01)
          .group(ParameterGroup.matching("a").rule(training.one))
          .clipNorm(1)
          .skipNonFinite(true)
          .listener(reports::add, 1);
    }

    void train(OptimizerGroups groups, IntPredicate isMine, IntConsumer accumulate, Runnable step) {
      for (int i = 0; i < 6; i++) {
        switch (i) {
          case 1 -> groups.freeze("a");
          case 2 -> groups.add(more);
          case 3 -> groups.unfreeze("a");
          default -> {}
        }
        for (int j = 0; j < WORKERS; j++) {
          if (isMine.test(j)) {
            setGradients(i, j);
            accumulate.accept(j);
          }
        }
        step.run();
        for (Parameters parameters : List.of(first, more)) {
          for (Parameter parameter : parameters) {
            boolean isLater = parameters == more && i < 2; // each worker's own until then
            bits.add(isLater ? 0 : Arrays.hashCode(parameter.values().toDoubles()));
          }
        }
      }
    }

    private void setGradients(int step, int microBatch) {
      int seed = 100 * step + 10 * microBatch;
      for (Parameters parameters : List.of(first, more)) {
        for (Parameter parameter : parameters) {
          float[] gradient = random(seed++, (int) parameter.length());
          if (step == 4 && microBatch == 1) {
            gradient[5000] = Float.NaN;
          }
          parameter.gradients().copyFrom(gradient);
        }
      }
    }

    void close() {
      first.close();
      more.close();
    }
  }

  private static float[] random(long seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return values;
  }

  private static Run alone(Training training) {
    try (Device device = Devices.cpu(1)) {
      Run run = new Run(device, training);
      try (Optimizer optimizer = run.builder().lanes(WORKERS).build()) {
        run.train(optimizer.groups(), j -> true, j -> optimizer.accumulate(), optimizer::step);
      }
      run.close();
      return run;
    }
  }

  @ParameterizedTest
  @MethodSource("backendsAndRules")
  void areThoseOfOneOptimizer(ContractBackend backend, Training training) throws Exception {
    Run expected = alone(training);
    assertEquals(1, expected.reports.get(5).skippedSteps());
    assertEquals(3, expected.reports.get(5).updates().size());
    assertTrue(expected.reports.get(5).updates().get(2).toWeight() > 0);
    List<Run> all =
        Workers.IN_PROCESS.run(
            WORKERS,
            collective -> {
              try (Device device = backend.open()) {
                Run run = new Run(device, training);
                try (ShardedOptimizer optimizer =
                    run.builder().gradientScale(1.0 / WORKERS).sharded(collective).build()) {
                  run.train(
                      optimizer.groups(),
                      optimizer::isMine,
                      optimizer::accumulate,
                      optimizer::step);
                }
                run.close();
                return run;
              }
            });
    for (Run run : all) {
      assertEquals(expected.bits, run.bits);
      assertEquals(expected.reports, run.reports);
    }
  }
}
