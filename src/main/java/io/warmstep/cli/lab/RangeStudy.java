package io.warmstep.cli.lab;

import io.warmstep.rule.Rules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** The range test: a sweep of the rate within one short run, for each seed. */
final class RangeStudy implements Study {
  /** The sweep covers the rule's usual rate divided and multiplied by this. */
  static final double REACH = 1e4;

  private final Bench bench;

  RangeStudy(Bench bench) {
    this.bench = bench;
  }

  @Override
  public String name() {
    return "range test";
  }

  @Override
  public long steps() {
    return (long) bench.plan().seeds() * bench.plan().sweepSteps();
  }

  @Override
  public Section run() {
    double usual = Rules.usualRate(bench.task().rule());
    List<RangeSweep> sweeps =
        bench
            .work()
            .map(
                LabTask.seeds(bench.task().setup(0, usual), bench.plan().seeds()),
                setup ->
                    RangeSweep.of(
                        bench.work(),
                        setup,
                        usual / REACH,
                        usual * REACH,
                        bench.plan().sweepSteps()));
    double valley = median(sweeps, RangeSweep::valley);
    double edge = median(sweeps, RangeSweep::divergence);
    bench.findings().rangeSuggestion = valley;
    Section section =
        new Section("range", "Range test: too low, just right, too high")
            .say(
                "One short run in which the rate grows at every step, from far too low to far too"
                    + " high. While the loss stands still the rate is too low; where it falls, the"
                    + " rate works; where it rises, the rate is too high.");
    if (Double.isNaN(valley)) {
      section.say(
          "The range test gives no suggestion here: "
              + sweeps.get(0).problem()
              + ". The rates below start from the rule's usual one.");
    } else {
      section.say(
          "Over "
              + Say.count(sweeps.size(), "seed")
              + " the suggestion (the valley, where the long fall of the loss is two thirds done)"
              + " is "
              + Say.number(valley)
              + (Double.isNaN(edge)
                  ? "; no seed diverged up to the end of the sweep."
                  : "; the loss diverges at about " + Say.number(edge) + "."));
    }
    return section.add(chart(sweeps, valley, edge));
  }

  private Chart chart(List<RangeSweep> sweeps, double valley, double edge) {
    double low = median(sweeps, RangeSweep::low);
    double high = median(sweeps, RangeSweep::high);
    Chart chart =
        new Chart(
                "range-test",
                "lines",
                Double.isNaN(valley)
                    ? "The loss against the rate: the curve allows no suggestion"
                    : "The loss falls fastest near "
                        + Say.number(valley)
                        + (Double.isNaN(edge)
                            ? " and does not diverge within the sweep"
                            : " and blows up near " + Say.number(edge)),
                "rate",
                "loss",
                "lowest seed",
                "highest seed",
                "seeds left")
            .axis("x", "rate", "learning rate", "log")
            .axis("y", "loss", "training loss, smoothed", "linear")
            .set("band", List.of("lowest seed", "highest seed"))
            .caption(
                "The line is the middle of the seeds, the band reaches from the lowest to the"
                    + " highest. Smoothed with an exponential moving average, corrected for its"
                    + " start.");
    zones(chart, sweeps, low, high);
    suggestion(chart, sweeps, "valley", RangeSweep::valley);
    suggestion(chart, sweeps, "slide", RangeSweep::slide);
    suggestion(chart, sweeps, "steepest", RangeSweep::steepest);
    suggestion(chart, sweeps, "minimum / 10", RangeSweep::minimumOverTen);
    suggestion(chart, sweeps, "diverges", RangeSweep::divergence);
    rows(chart, sweeps);
    return chart;
  }

  private static void zones(Chart chart, List<RangeSweep> sweeps, double low, double high) {
    if (Double.isNaN(low) || Double.isNaN(high)) {
      return;
    }
    double first = sweeps.get(0).rates()[0];
    double last =
        sweeps.stream().mapToDouble(s -> s.rates()[s.rates().length - 1]).max().orElseThrow();
    chart
        .mark("zones", "from", first, "to", low, "label", "too low")
        .mark("zones", "from", low, "to", high, "label", "just right")
        .mark("zones", "from", high, "to", last, "label", "too high");
  }

  private static void suggestion(
      Chart chart, List<RangeSweep> sweeps, String name, ToDoubleFunction<RangeSweep> rate) {
    double middle = median(sweeps, rate);
    if (!Double.isNaN(middle)) {
      chart.mark("verticals", "at", middle, "label", name + " " + Say.number(middle));
    }
  }

  /** A row for each rate, as long as a seed has come so far. */
  private static void rows(Chart chart, List<RangeSweep> sweeps) {
    RangeSweep longest = sweeps.get(0);
    for (RangeSweep sweep : sweeps) {
      longest = sweep.rates().length > longest.rates().length ? sweep : longest;
    }
    double start = Trained.median(sweeps, s -> s.smoothed()[0]);
    for (int i = 0; i < longest.rates().length; i++) {
      List<Double> losses = new ArrayList<>();
      for (RangeSweep sweep : sweeps) {
        if (i < sweep.smoothed().length) {
          losses.add(Math.min(sweep.smoothed()[i], 3 * start));
        }
      }
      double[] sorted = losses.stream().mapToDouble(Double::doubleValue).sorted().toArray();
      chart.row(
          longest.rates()[i],
          Trained.median(sorted),
          sorted[0],
          sorted[sorted.length - 1],
          sorted.length);
    }
  }

  /** The middle of those that are known; NaN if most are not. */
  private static double median(List<RangeSweep> sweeps, ToDoubleFunction<RangeSweep> figure) {
    double[] known =
        sweeps.stream().mapToDouble(figure).filter(value -> !Double.isNaN(value)).toArray();
    return 2 * known.length < sweeps.size() || known.length == 0
        ? Double.NaN
        : Trained.median(Arrays.copyOf(known, known.length));
  }
}
