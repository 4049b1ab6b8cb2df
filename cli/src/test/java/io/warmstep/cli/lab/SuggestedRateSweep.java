package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.Baselines;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.rule.Rules;
import io.warmstep.schedule.RangeTest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * How good suggested rates are: digits, 30 seeds (of the split, the weights and the order), each
 * trained at the rate that the lab suggests, at the one that a range test of its own suggests, and
 * at every rate of a sweep. Takes minutes, so it runs on request alone; docs/LAB.md has the command
 * and the result.
 */
class SuggestedRateSweep {
  private static final int SEEDS = 30;
  private static final int STEPS = 450;
  private static final int SWEEP_STEPS = 300;
  private static final int REACH = 4;

  /** Accuracy, a share: half a point of a hundred. */
  private static final double TOLERANCE = 0.005;

  private static LabTask task(String rule, int seed) {
    try {
      return new LabTask(
          "digits",
          Split.of(DataSets.digits(), 0.8, seed),
          List.of(32),
          32,
          rule,
          NamedRules.named(rule),
          "",
          seed);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** As {@code train} does it: a cosine after a short warm-up. */
  private static double accuracy(Workbench work, LabTask task, double rate) {
    LearningRate schedule = LearningRate.of(ScheduleChoice.COSINE, null, rate, STEPS, task.rule());
    try (Run run = work.open(task.setup(0, 0).rate(schedule))) {
      run.advance(STEPS, 1, work.onStep());
      return run.model().evaluate(task.split().test()).accuracy();
    }
  }

  /** What the lab suggests with its default plan. */
  private static double labsRate(Workbench work, LabTask task) {
    Baselines baselines = Baselines.of(task.split());
    Bench bench =
        new Bench(
            task,
            baselines,
            LabPlan.usual(),
            work,
            new Findings(),
            new Recorder(),
            new JsonObject());
    bench.findings().chance = baselines.classFrequencies().loss();
    new RangeStudy(bench).run();
    new RateStudy(bench).run();
    return bench.findings().rate;
  }

  private static double rangeTestsRate(Workbench work, LabTask task) {
    double usual = Rules.usualRate(task.rule());
    return RangeSweep.of(
            work,
            task.setup(0, 0),
            RangeTest.exponential(usual / RangeStudy.REACH, usual * RangeStudy.REACH, SWEEP_STEPS),
            0,
            work.onStep())
        .suggested()
        .orElse(usual);
  }

  @ParameterizedTest
  @ValueSource(strings = {"adam", "momentum", "sgd"})
  void theLabsRateIsAsGoodAsTheBestOfASweep(String rule) {
    Progress silent =
        new Progress() {
          @Override
          public void begin(String what) {}

          @Override
          public void advance(int steps) {}
        };
    try (Device device = Devices.cpu(1);
        Workbench work =
            new Workbench(device, Runtime.getRuntime().availableProcessors(), silent)) {
      List<LabTask> tasks = IntStream.range(0, SEEDS).mapToObj(i -> task(rule, i)).toList();
      List<Double> suggestions = work.map(tasks, task -> rangeTestsRate(work, task));
      double labsRate = labsRate(work, tasks.get(0));
      double lab = mean(work.map(tasks, task -> accuracy(work, task, labsRate)));
      double rangeTest =
          mean(
              work.map(
                  IntStream.range(0, SEEDS).boxed().toList(),
                  i -> accuracy(work, tasks.get(i), suggestions.get(i))));
      StringBuilder report = new StringBuilder();
      double usual = Rules.usualRate(NamedRules.named(rule));
      double best = 0;
      for (int k = -REACH; k <= REACH; k++) {
        double rate = Say.rounded(usual * StrictMath.pow(10, k / 2.0));
        double accuracy = mean(work.map(tasks, task -> accuracy(work, task, rate)));
        report.append(String.format(Locale.ROOT, "  %8s  %.4f%n", Say.number(rate), accuracy));
        best = Math.max(best, accuracy);
      }
      List<Double> sorted = new ArrayList<>(suggestions);
      sorted.sort(null);
      System.out.printf(
          Locale.ROOT,
          "%s, %d seeds: lab %s: %.4f; range tests %s (%s to %s): %.4f; sweep:%n%s",
          rule,
          SEEDS,
          Say.number(labsRate),
          lab,
          Say.number(sorted.get(SEEDS / 2)),
          Say.number(sorted.get(0)),
          Say.number(sorted.get(SEEDS - 1)),
          rangeTest,
          report);
      assertTrue(lab >= best - TOLERANCE, lab + " against " + best);
    }
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
