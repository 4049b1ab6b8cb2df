package io.warmstep.cli.lab;

import io.warmstep.cli.train.Clipping;
import io.warmstep.rule.Rules;
import io.warmstep.schedule.RangeTest;
import io.warmstep.schedule.RangeTest.Result;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

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
    List<Result> tests =
        bench
            .work()
            .map(
                LabTask.seeds(bench.task().setup(), bench.plan().seeds()),
                setup ->
                    RangeSweep.of(
                        bench.work(),
                        setup,
                        RangeTest.exponential(
                            usual / REACH, usual * REACH, bench.plan().sweepSteps()),
                        Clipping.NONE,
                        bench.work().onStep()));
    Result middle = RangeFinding.middle(tests);
    double peak = middle.peak().orElse(Double.NaN);
    double edge = middle.edge().orElse(Double.NaN);
    bench.findings().rangeSuggestion = peak;
    Section section =
        new Section("range", "Range test: too low, just right, too high")
            .say(
                "One short run in which the rate grows at every step, from far too low to far too"
                    + " high. While the loss stands still the rate is too low; where it falls, the"
                    + " rate works; where it rises, the rate is too high.");
    if (Double.isNaN(peak)) {
      section.say(
          "The range test gives no suggestion here. "
              + Say.sentence(middle.reason())
              + " The real runs below start from the rule's usual rate.");
    } else {
      section.say(
          "Over "
              + Say.count(tests.size(), "seed")
              + " its suggestion is the valley, "
              + Say.number(middle.valley().getAsDouble())
              + ", a safe start. As the highest rate of a schedule that ends low, "
              + Say.number(peak)
              + " is worth trying: half of the highest rate that is just right, which is where the"
              + " loss is least, or half the rate where it diverges if that is lower"
              + (Double.isNaN(edge)
                  ? ". The loss did not diverge up to the end of the sweep."
                  : ". Training diverges beyond about " + Say.number(edge) + "."));
    }
    return section.add(chart(tests, middle, peak, edge));
  }

  private static Chart chart(List<Result> tests, Result middle, double peak, double edge) {
    Chart chart =
        new Chart(
                "range-test",
                "lines",
                Double.isNaN(peak)
                    ? "The loss against the rate: the curve allows no suggestion"
                    : "The loss falls where the rate is just right"
                        + (Double.isNaN(edge)
                            ? "; it does not diverge within the sweep"
                            : "; beyond " + Say.number(edge) + " training is lost"),
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
                    + " start; cut at twice the first loss.");
    zones(chart, tests, middle);
    mark(chart, "peak", middle.peak());
    mark(chart, "valley", middle.valley());
    mark(chart, "slide", middle.slide());
    mark(chart, "steepest", middle.steepest());
    mark(chart, "minimum / 10", middle.minimumOverTen());
    mark(chart, "diverges", middle.edge());
    rows(chart, tests);
    return chart;
  }

  private static void zones(Chart chart, List<Result> tests, Result middle) {
    if (middle.low().isEmpty() || middle.high().isEmpty()) {
      return;
    }
    double low = middle.low().getAsDouble();
    double high = middle.high().getAsDouble();
    double first = tests.get(0).curve().get(0).rate();
    double last = first;
    for (Result test : tests) {
      last = Math.max(last, test.curve().get(test.curve().size() - 1).rate());
    }
    chart
        .mark("zones", "from", first, "to", low, "label", "too low")
        .mark("zones", "from", low, "to", high, "label", "just right")
        .mark("zones", "from", high, "to", last, "label", "too high");
  }

  private static void mark(Chart chart, String name, OptionalDouble rate) {
    rate.ifPresent(at -> chart.mark("verticals", "at", at, "label", name + " " + Say.number(at)));
  }

  /** A row for each rate, as long as a seed has come so far. */
  private static void rows(Chart chart, List<Result> tests) {
    double top =
        RangeFinding.HIGHEST * Trained.median(tests, test -> test.curve().get(0).smoothed());
    int longest = tests.stream().mapToInt(test -> test.curve().size()).max().orElseThrow();
    for (int i = 0; i < longest; i++) {
      List<Double> losses = new ArrayList<>();
      double rate = Double.NaN;
      for (Result test : tests) {
        if (i < test.curve().size() && !Double.isNaN(test.curve().get(i).smoothed())) {
          rate = test.curve().get(i).rate();
          losses.add(Math.min(test.curve().get(i).smoothed(), top));
        }
      }
      if (!losses.isEmpty()) {
        double[] sorted = losses.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        chart.row(
            rate, Trained.median(sorted), sorted[0], sorted[sorted.length - 1], sorted.length);
      }
    }
  }
}
