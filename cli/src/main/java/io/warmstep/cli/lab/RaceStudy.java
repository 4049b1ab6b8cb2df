package io.warmstep.cli.lab;

import com.google.gson.JsonObject;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.History;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Every rule under an equal budget, each with its own rate tuned. */
final class RaceStudy implements Study {
  private final Bench bench;

  RaceStudy(Bench bench) {
    this.bench = bench;
  }

  /** A rule with its tuned rate and its runs. */
  private record Entrant(String name, UpdateRule rule, double rate, List<Trained> runs) {
    double loss() {
      return Trained.median(runs, Trained::validationLoss);
    }
  }

  @Override
  public String name() {
    return "race of the rules";
  }

  @Override
  public long steps() {
    long perRule = (long) bench.plan().raceRates() * tuningSteps() + runsSteps();
    return perRule * NamedRules.names().size();
  }

  private int tuningSteps() {
    return bench.plan().steps() / 2;
  }

  private long runsSteps() {
    return (long) bench.plan().seeds() * bench.plan().steps();
  }

  @Override
  public Section run() {
    List<String> names = List.copyOf(NamedRules.names());
    List<Double> rates = tune(names);
    List<RunSetup> setups = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      RunSetup setup =
          bench.task().setup(rates.get(i), bench.plan().steps()).rule(rule(names.get(i)));
      setups.addAll(LabTask.seeds(setup, bench.plan().seeds()));
    }
    long[] nanos = new long[setups.size()];
    List<Trained> runs =
        bench
            .work()
            .map(
                java.util.stream.IntStream.range(0, setups.size()).boxed().toList(),
                i -> {
                  try (Run run = bench.work().open(setups.get(i))) {
                    long start = System.nanoTime();
                    run.advance(bench.plan().steps(), LabPlan.EVALUATIONS, bench.work().onStep());
                    nanos[i] = System.nanoTime() - start;
                    return Trained.of(run);
                  }
                });
    List<Entrant> entrants = new ArrayList<>();
    int seeds = bench.plan().seeds();
    for (int i = 0; i < names.size(); i++) {
      entrants.add(
          new Entrant(
              names.get(i),
              rule(names.get(i)),
              rates.get(i),
              runs.subList(i * seeds, (i + 1) * seeds)));
      long[] own = Arrays.copyOfRange(nanos, i * seeds, (i + 1) * seeds);
      time(names.get(i), own);
    }
    return section(entrants);
  }

  /** A rule in the lab's own race has the settings that the user gave it, if it is that one. */
  private UpdateRule rule(String name) {
    return name.equals(bench.task().ruleName()) ? bench.task().rule() : NamedRules.named(name);
  }

  /** Half of the budget at each rate, one seed; the lowest validation loss wins. */
  private List<Double> tune(List<String> names) {
    int count = bench.plan().raceRates();
    List<RunSetup> setups = new ArrayList<>();
    for (String name : names) {
      double usual = Rules.usualRate(NamedRules.named(name));
      for (int k = 0; k < count; k++) {
        double rate = Say.rounded(usual * StrictMath.pow(10, (k - count / 2) / 2.0));
        setups.add(bench.task().setup(rate, tuningSteps()).rule(rule(name)));
      }
    }
    List<Trained> runs = bench.work().train(setups, tuningSteps(), 1);
    List<Double> rates = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      Trained best =
          runs.subList(i * count, (i + 1) * count).stream()
              .min(Comparator.comparingDouble(Trained::validationLoss))
              .orElseThrow();
      rates.add(best.setup().rate().highest());
    }
    return rates;
  }

  private void time(String rule, long[] nanos) {
    Arrays.sort(nanos);
    if (!bench.timings().has("milliseconds_per_step")) {
      bench.timings().add("milliseconds_per_step", new JsonObject());
    }
    bench
        .timings()
        .getAsJsonObject("milliseconds_per_step")
        .add(rule, Chart.json(nanos[nanos.length / 2] / 1e6 / bench.plan().steps()));
  }

  private Section section(List<Entrant> entrants) {
    Entrant best = entrants.get(0);
    for (Entrant entrant : entrants) {
      best = entrant.loss() < best.loss() ? entrant : best;
      if (entrant.name().equals(bench.task().ruleName())) {
        bench.findings().ruleLoss = entrant.loss();
      }
      bench.recorder().keep("race-" + entrant.name(), entrant.runs().get(0).history());
    }
    Findings findings = bench.findings();
    findings.bestRule = best.name();
    findings.bestRuleRate = best.rate();
    findings.bestRuleLoss = best.loss();
    double[] losses = entrants.stream().mapToDouble(Entrant::loss).sorted().toArray();
    double second = losses.length > 1 ? losses[1] : losses[0];
    boolean isTie = second - best.loss() < findings.spread;
    double target = 1.2 * Trained.median(losses);
    String message =
        best.name()
            + " ends lowest, at "
            + Say.loss(best.loss())
            + (isTie ? ", but not by more than the seeds differ" : "");
    Section section =
        new Section("race", "A race of the rules")
            .say(
                "Equal budgets: each rule was tuned over "
                    + bench.plan().raceRates()
                    + " rates with half of the steps, and then ran "
                    + Say.count(bench.plan().steps(), "step")
                    + " with "
                    + Say.count(bench.plan().seeds(), "seed")
                    + ". A difference smaller than the spread of the seeds is none.");
    section.add(chart(entrants, message));
    return section.add(table(entrants, target, message));
  }

  private static Chart chart(List<Entrant> entrants, String message) {
    Chart chart =
        new Chart("race", "lines", message, "step", "rule", "validation loss")
            .axis("x", "step", "step", "linear")
            .axis("y", "validation loss", "validation loss", "log")
            .set("series", "rule")
            .caption("The middle of the seeds at each evaluation.");
    for (Entrant entrant : entrants) {
      int points =
          entrant.runs().stream().mapToInt(run -> run.history().points().size()).min().orElse(0);
      for (int i = 0; i < points; i++) {
        int at = i;
        chart.row(
            entrant.runs().get(0).history().points().get(i).step(),
            entrant.name(),
            Trained.median(entrant.runs(), run -> run.history().points().get(at).test().loss()));
      }
    }
    return chart;
  }

  private Chart table(List<Entrant> entrants, double target, String message) {
    String targetColumn = "steps to " + Say.loss(target);
    Chart table =
        new Chart(
                "race-results",
                "table",
                message,
                "rule",
                "rate",
                "validation loss",
                "± over seeds",
                "validation accuracy",
                targetColumn,
                "state bytes per parameter")
            .set("timing", "milliseconds_per_step")
            .set("sort", "validation loss")
            .caption(
                "Click on a heading to sort. ± is the standard deviation. The target is 1.2 times"
                    + " the middle rule's loss. Milliseconds are of a whole step, the network's"
                    + " passes included, measured while other runs shared the machine.");
    for (Entrant entrant : entrants) {
      double[] losses = entrant.runs().stream().mapToDouble(Trained::validationLoss).toArray();
      double mean = Arrays.stream(losses).average().orElseThrow();
      double spread =
          Math.sqrt(
              Arrays.stream(losses).map(loss -> (loss - mean) * (loss - mean)).sum()
                  / Math.max(1, losses.length - 1));
      table.row(
          entrant.name(),
          entrant.rate(),
          entrant.loss(),
          spread,
          Trained.median(entrant.runs(), Trained::validationAccuracy),
          stepsTo(entrant, target),
          4 * (int) entrant.rule().stateSlots(2).stream().filter(slot -> !slot.isFactor()).count());
    }
    return table;
  }

  /** The middle of the seeds' first evaluations at or below the target; NaN if most miss it. */
  private static double stepsTo(Entrant entrant, double target) {
    double[] steps =
        entrant.runs().stream()
            .mapToDouble(
                run ->
                    run.history().points().stream()
                        .filter(point -> point.test().loss() <= target)
                        .mapToDouble(History.Point::step)
                        .findFirst()
                        .orElse(Double.POSITIVE_INFINITY))
            .toArray();
    double middle = Trained.median(steps);
    return Double.isFinite(middle) ? middle : Double.NaN;
  }
}
