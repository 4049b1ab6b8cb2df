package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.Baselines;
import io.warmstep.rule.Rules;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * How good suggested rates are: digits, 30 seeds (of the split, the weights and the order), each
 * trained at the rates that are suggested for the first of them and at every rate of a sweep, as
 * {@code train} does it unless told otherwise. Takes minutes, so it runs on request alone;
 * docs/LAB.md has the command and the result.
 */
class SuggestedRateSweep {
  private static final int SEEDS = 30;
  private static final int STEPS = 450;
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

  private static double accuracy(Workbench work, LabTask task, double rate) {
    try (Run run = work.open(task.setup(rate, STEPS))) {
      run.advance(STEPS, 1, work.onStep());
      return run.model().evaluate(task.split().test()).accuracy();
    }
  }

  /** What lr-find suggests, and what the lab with its default plan. */
  private static double[] suggestions(Workbench work, LabTask task) {
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
    return new double[] {bench.findings().rangeSuggestion, bench.findings().rate};
  }

  @ParameterizedTest
  @ValueSource(strings = {"adam", "momentum", "sgd", "rmsprop"})
  void suggestedRatesAreAsGoodAsTheBestOfASweep(String rule) {
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
      double[] suggestions = suggestions(work, tasks.get(0));
      StringBuilder report = new StringBuilder(rule + ", " + SEEDS + " seeds\n");
      double best = 0;
      for (int k = -REACH; k <= REACH; k++) {
        double rate =
            Say.rounded(Rules.usualRate(NamedRules.named(rule)) * StrictMath.pow(10, k / 2.0));
        double accuracy = mean(work, tasks, rate);
        report.append(String.format(Locale.ROOT, "  %8s  %.4f%n", Say.number(rate), accuracy));
        best = Math.max(best, accuracy);
      }
      boolean isGood = true;
      for (int i = 0; i < 2; i++) {
        double accuracy = mean(work, tasks, suggestions[i]);
        report.append(
            String.format(
                Locale.ROOT,
                "%s %s: %.4f, %.4f from the best%n",
                i == 0 ? "peak" : "lab",
                Say.number(suggestions[i]),
                accuracy,
                accuracy - best));
        isGood &= accuracy >= best - TOLERANCE;
      }
      System.out.println(report);
      assertTrue(isGood, report.toString());
    }
  }

  private static double mean(Workbench work, List<LabTask> tasks, double rate) {
    return work.map(tasks, task -> accuracy(work, task, rate)).stream()
        .mapToDouble(Double::doubleValue)
        .average()
        .orElseThrow();
  }
}
