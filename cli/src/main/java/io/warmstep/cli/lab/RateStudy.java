package io.warmstep.cli.lab;

import io.warmstep.cli.train.History;
import io.warmstep.rule.Rules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Real runs at rates around the range test's suggestion, and what three of them look like. */
final class RateStudy implements Study {
  /** A rate is safe if its loss is at most this share above the best one... */
  static final double TOLERANCE = 0.25;

  /** ... and by at most this share of the way from the best loss to chance. */
  static final double CHANCE_TOLERANCE = 0.1;

  /** How many rates are tried beyond the planned ones while the last one is the best. */
  private static final int MAX_FURTHER = 6;

  private final Bench bench;

  RateStudy(Bench bench) {
    this.bench = bench;
  }

  /** The runs of all seeds at one rate. */
  private record AtRate(double rate, List<Trained> runs) {
    double loss() {
      return Trained.median(runs, Trained::validationLoss);
    }

    boolean hasDiverged() {
      return runs.stream().anyMatch(Trained::hasDiverged);
    }
  }

  @Override
  public String name() {
    return "real runs";
  }

  @Override
  public long steps() {
    return (2L * bench.plan().rates() + 3) * bench.plan().seeds() * bench.plan().steps();
  }

  @Override
  public Section run() {
    Findings findings = bench.findings();
    double middle =
        Say.rounded(
            Double.isNaN(findings.rangeSuggestion)
                ? Rules.usualRate(bench.task().rule())
                : findings.rangeSuggestion);
    List<Double> rates = new ArrayList<>();
    for (int k = -bench.plan().rates(); k <= bench.plan().rates(); k++) {
      rates.add(Say.rounded(middle * StrictMath.pow(10, k / 2.0)));
    }
    List<AtRate> sweep = new ArrayList<>(train(rates));
    int best = best(sweep);
    int suggestedAt = bench.plan().rates();
    for (int more = 0; more < MAX_FURTHER && (best == 0 || best == sweep.size() - 1); more++) {
      // The best may lie further out.
      double factor = Math.sqrt(10);
      if (best == 0) {
        sweep.add(0, train(List.of(Say.rounded(sweep.get(0).rate() / factor))).get(0));
        suggestedAt++;
      } else {
        sweep.add(train(List.of(Say.rounded(sweep.get(best).rate() * factor))).get(0));
      }
      best = best(sweep);
    }
    suggestedAt = addNeighbours(sweep, best, suggestedAt);
    best = best(sweep);
    // The range test's peak stands, unless real runs show that another rate is better.
    AtRate suggested = sweep.get(suggestedAt);
    if (!suggested.hasDiverged()
        && suggested.loss() <= sweep.get(best).loss() + spread(sweep.get(best))) {
      best = suggestedAt;
    }
    conclude(sweep, best);
    AtRate right = sweep.get(best);
    AtRate low = at(sweep, right.rate() / 10);
    AtRate high = at(sweep, right.rate() * 10);
    Section section =
        new Section("runs", "Three real runs: a tenth, the suggestion, ten times")
            .say(
                "Real runs of "
                    + Say.count(bench.plan().steps(), "step")
                    + " as train does them, a cosine after a short warm-up, with "
                    + Say.count(bench.plan().seeds(), "seed")
                    + " each, on the same axes.")
            .say("Too low: " + tooLow(low, right))
            .say(
                "Just right: "
                    + justRight(
                        right, sweep.stream().mapToDouble(AtRate::loss).min().orElseThrow()))
            .say("Too high: " + tooHigh(high, right));
    double top = top(List.of(low, right, high));
    section.add(
        chart(
            "run-low", "A tenth, " + Say.number(low.rate()) + ": " + brief(low, right), low, top));
    section.add(
        chart(
            "run-right",
            "The suggestion, "
                + Say.number(right.rate())
                + ": down to "
                + Say.loss(right.loss())
                + " and steady",
            right,
            top));
    section.add(
        chart(
            "run-high",
            "Ten times, " + Say.number(high.rate()) + ": " + brief(high, right),
            high,
            top));
    section.add(valley(sweep, right));
    for (AtRate runs : List.of(low, right, high)) {
      bench.recorder().keep("rate-" + Say.number(runs.rate()), runs.runs().get(0).history());
    }
    return section;
  }

  /** Tries the rates half-way to the best one's neighbours too; returns where another is now. */
  private int addNeighbours(List<AtRate> sweep, int best, int other) {
    int at = other;
    double rate = sweep.get(best).rate();
    if (best < sweep.size() - 1) {
      double above = Say.rounded(Math.sqrt(rate * sweep.get(best + 1).rate()));
      sweep.add(best + 1, train(List.of(above)).get(0));
      at += at > best ? 1 : 0;
    }
    if (best > 0) {
      double below = Say.rounded(Math.sqrt(rate * sweep.get(best - 1).rate()));
      sweep.add(best, train(List.of(below)).get(0));
      at += at >= best ? 1 : 0;
    }
    return at;
  }

  private static int best(List<AtRate> sweep) {
    int best = 0;
    for (int i = 1; i < sweep.size(); i++) {
      best = sweep.get(i).loss() < sweep.get(best).loss() ? i : best;
    }
    return best;
  }

  private List<AtRate> train(List<Double> rates) {
    int seeds = bench.plan().seeds();
    List<RunSetup> setups = new ArrayList<>();
    for (double rate : rates) {
      setups.addAll(LabTask.seeds(bench.task().setup(rate, bench.plan().steps()), seeds));
    }
    List<Trained> runs = bench.work().train(setups, bench.plan().steps(), LabPlan.EVALUATIONS);
    List<AtRate> atRates = new ArrayList<>();
    for (int i = 0; i < rates.size(); i++) {
      atRates.add(new AtRate(rates.get(i), runs.subList(i * seeds, (i + 1) * seeds)));
    }
    return atRates;
  }

  /** The runs at a rate, done now if they are not among those that were. */
  private AtRate at(List<AtRate> sweep, double rate) {
    for (AtRate runs : sweep) {
      if (Math.abs(runs.rate() / rate - 1) < 0.05) {
        return runs;
      }
    }
    return train(List.of(Say.rounded(rate))).get(0);
  }

  private void conclude(List<AtRate> sweep, int best) {
    Findings findings = bench.findings();
    AtRate right = sweep.get(best);
    double bound = bound(sweep.stream().mapToDouble(AtRate::loss).min().orElseThrow());
    int low = best;
    while (low > 0 && sweep.get(low - 1).loss() <= bound) {
      low--;
    }
    int high = best;
    while (high < sweep.size() - 1
        && sweep.get(high + 1).loss() <= bound
        && !sweep.get(high + 1).hasDiverged()) {
      high++;
    }
    findings.rate = right.rate();
    findings.low =
        low == 0 ? sweep.get(0).rate() : crossing(sweep.get(low), sweep.get(low - 1), bound);
    findings.high =
        high == sweep.size() - 1 || sweep.get(high + 1).hasDiverged()
            ? sweep.get(high).rate()
            : crossing(sweep.get(high), sweep.get(high + 1), bound);
    findings.isRateAtTheEnd = best == 0 || best == sweep.size() - 1;
    findings.loss = right.loss();
    findings.accuracy = Trained.median(right.runs(), Trained::validationAccuracy);
    findings.spread = spread(right);
    findings.bits = Bits.hash(right.runs().get(0).bits());
    for (AtRate runs : sweep) {
      if (runs.hasDiverged() && runs.rate() > right.rate()) {
        findings.divergesFrom = runs.rate();
        break;
      }
    }
  }

  /** The rate between two at which the loss passes a bound, on a line in logarithms of both. */
  private static double crossing(AtRate within, AtRate beyond, double bound) {
    double share =
        StrictMath.log(bound / within.loss()) / StrictMath.log(beyond.loss() / within.loss());
    return share > 0 && share < 1
        ? Say.rounded(within.rate() * StrictMath.pow(beyond.rate() / within.rate(), share))
        : within.rate();
  }

  /** The standard deviation over the seeds. */
  private static double spread(AtRate runs) {
    double[] losses = runs.runs().stream().mapToDouble(Trained::validationLoss).toArray();
    double mean = Arrays.stream(losses).average().orElseThrow();
    return Math.sqrt(
        Arrays.stream(losses).map(loss -> (loss - mean) * (loss - mean)).sum()
            / Math.max(1, losses.length - 1));
  }

  private double bound(double best) {
    double chance = Math.max(best, bench.findings().chance);
    return best + Math.min(TOLERANCE * best, CHANCE_TOLERANCE * (chance - best));
  }

  private static String tooLow(AtRate low, AtRate right) {
    return String.format(
        java.util.Locale.ROOT,
        "at a tenth, %s, both losses fall smoothly and together, and are at %s when the budget is"
            + " spent, against %s: %s",
        Say.number(low.rate()),
        Say.loss(low.loss()),
        Say.loss(right.loss()),
        low.loss() > right.loss() * 1.1
            ? "nothing is wrong but the speed."
            : "that this is hardly worse says that the budget is long for this data.");
  }

  private String justRight(AtRate right, double least) {
    return "at "
        + Say.number(right.rate())
        + " the loss falls fast at first and then flattens: it ends at "
        + Say.loss(right.loss())
        + " on the validation rows, "
        + (right.loss() <= least
            ? "the least of all rates that were tried."
            : "which differs from the least of all rates that were tried, "
                + Say.loss(least)
                + ", by no more than the seeds do.")
        + (Math.abs(right.rate() / bench.findings().rangeSuggestion - 1) < 0.05
            ? " It is the range test's peak."
            : Double.isNaN(bench.findings().rangeSuggestion)
                ? ""
                : " The range test's peak is "
                    + Say.number(bench.findings().rangeSuggestion)
                    + ", which does less well here.");
  }

  private static String tooHigh(AtRate high, AtRate right) {
    String at = "at ten times, " + Say.number(high.rate()) + ", ";
    if (high.runs().stream().anyMatch(run -> !run.isFinite())) {
      return at + "the loss is no longer a finite number: the steps overshoot further each time.";
    }
    if (high.hasDiverged()) {
      return at + "the loss ends no lower than it began: each step leaps across the valley.";
    }
    return high.loss() > right.loss() * 1.1
        ? at
            + "the loss jumps about and stays at "
            + Say.loss(high.loss())
            + ": the steps are wider than the valley's floor."
        : at
            + "the loss ends at "
            + Say.loss(high.loss())
            + ", which is hardly worse: this task forgives a high rate.";
  }

  private static String brief(AtRate runs, AtRate right) {
    if (runs.hasDiverged()) {
      return "diverges";
    }
    if (runs.loss() <= right.loss() * 1.1) {
      return "about as good";
    }
    return (runs.rate() < right.rate() ? "still falling at " : "jumps and stays at ")
        + Say.loss(runs.loss());
  }

  /** One scale for the three: the highest loss, but not that of a run that blew up. */
  private static double top(List<AtRate> three) {
    double start = three.get(1).runs().get(0).history().points().get(0).train().loss();
    double top = start;
    for (AtRate runs : three) {
      for (Trained run : runs.runs()) {
        for (History.Point point : run.history().points()) {
          if (point.train().loss() < 2 * start && point.test().loss() < 2 * start) {
            top = Math.max(top, Math.max(point.train().loss(), point.test().loss()));
          }
        }
      }
    }
    return top;
  }

  private static Chart chart(String id, String title, AtRate runs, double top) {
    return LossChart.of(id, title, runs.runs()).set("third", true).set("domain", List.of(0, top));
  }

  private Chart valley(List<AtRate> sweep, AtRate right) {
    Findings findings = bench.findings();
    Chart chart =
        new Chart(
                "rate-valley",
                "lines",
                "Rates from "
                    + Say.number(findings.low)
                    + " to "
                    + Say.number(findings.high)
                    + " do about as well as "
                    + Say.number(right.rate()),
                "rate",
                "validation loss",
                "lowest seed",
                "highest seed",
                "accuracy",
                "diverged")
            .axis("x", "rate", "learning rate", "log")
            .axis("y", "validation loss", "final validation loss", "log")
            .set("band", List.of("lowest seed", "highest seed"))
            .set("dots", true)
            .mark("zones", "from", findings.low, "to", findings.high, "label", "safe band")
            .mark("verticals", "at", right.rate(), "label", "use " + Say.number(right.rate()))
            .caption(
                "The middle of the seeds after "
                    + Say.count(bench.plan().steps(), "step")
                    + ". Safe: no seed diverged, and the loss is at most 25 % above the best, or a"
                    + " tenth of the way from it to chance if that is less. Losses that are not"
                    + " finite are left out.");
    for (AtRate runs : sweep) {
      double[] losses =
          runs.runs().stream().mapToDouble(Trained::validationLoss).sorted().toArray();
      chart.row(
          runs.rate(),
          runs.loss(),
          losses[0],
          losses[losses.length - 1],
          Trained.median(runs.runs(), Trained::validationAccuracy),
          runs.runs().stream().filter(Trained::hasDiverged).count());
    }
    return chart;
  }
}
