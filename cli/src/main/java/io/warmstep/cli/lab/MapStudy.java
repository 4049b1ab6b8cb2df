package io.warmstep.cli.lab;

import io.warmstep.rule.RuleSettings;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Rate against a second setting, by successive halving: the width of the valley is the message. */
final class MapStudy implements Study {
  /** Rates on either side of the suggestion, each about three times the last. */
  private static final int REACH = 3;

  private final Bench bench;
  private final MapSetting setting;

  MapStudy(Bench bench, MapSetting setting) {
    this.bench = bench;
    this.setting = setting;
  }

  /** A pair of settings, and its longest run. */
  private static final class Cell {
    final double rate;
    final double other;
    Trained run;
    double firstLoss;

    Cell(double rate, double other) {
      this.rate = rate;
      this.other = other;
    }

    double loss() {
      double loss = run.validationLoss();
      return run.isFinite() && Double.isFinite(loss) ? loss : Double.POSITIVE_INFINITY;
    }
  }

  @Override
  public String name() {
    return "rate against " + setting.label();
  }

  @Override
  public long steps() {
    // A quarter of the steps for all, half for half of them, the whole for a quarter.
    long cells = (2L * REACH + 1) * bench.plan().others();
    return cells * bench.plan().steps() * 3 / 4;
  }

  @Override
  public Section run() {
    List<Cell> cells = new ArrayList<>();
    for (int i = 0; i < bench.plan().others(); i++) {
      double other = setting.value(i);
      for (int k = -REACH; k <= REACH; k++) {
        double rate = Say.rounded(bench.findings().rate * StrictMath.pow(10, k / 2.0));
        cells.add(new Cell(rate, other));
      }
    }
    halve(cells);
    return section(cells);
  }

  private RunSetup setup(Cell cell, int steps) {
    RunSetup setup = bench.task().setup(cell.rate, steps);
    return switch (setting) {
      case WEIGHT_DECAY -> setup.rule(setup.rule().weightDecay(cell.other));
      case MOMENTUM -> setup.rule(RuleSettings.with(setup.rule(), Map.of("momentum", cell.other)));
      case BATCH -> setup.batch((int) cell.other);
    };
  }

  /** Runs all with a quarter of the budget, the better half of them with half, and so on. */
  private void halve(List<Cell> cells) {
    int steps = bench.plan().steps();
    train(cells, Math.max(1, steps / 4));
    cells.forEach(cell -> cell.firstLoss = cell.loss());
    List<Cell> half = best(cells);
    train(half, Math.max(1, steps / 2));
    train(best(half), steps);
  }

  /** Runs of their own, since a schedule that ends earlier is another one from the start. */
  private void train(List<Cell> cells, int steps) {
    List<RunSetup> setups = cells.stream().map(cell -> setup(cell, steps)).toList();
    List<Trained> runs = bench.work().train(setups, steps, 1);
    for (int i = 0; i < cells.size(); i++) {
      cells.get(i).run = runs.get(i);
    }
  }

  private static List<Cell> best(List<Cell> cells) {
    return cells.stream()
        .sorted(Comparator.comparingDouble(Cell::loss))
        .limit((cells.size() + 1) / 2)
        .toList();
  }

  /** How many times the highest good rate is the lowest one, after the first round. */
  private static double width(List<Cell> cells, double other, double bound) {
    double low = Double.NaN;
    double high = Double.NaN;
    for (Cell cell : cells) {
      if (cell.other == other && cell.firstLoss <= bound) {
        low = Double.isNaN(low) ? cell.rate : low;
        high = cell.rate;
      }
    }
    return high / low;
  }

  private Section section(List<Cell> cells) {
    Cell best = best(cells).get(0);
    double least = cells.stream().mapToDouble(cell -> cell.firstLoss).min().orElseThrow();
    double bound = least + 0.1 * (Math.max(least, bench.findings().chance) - least);
    double widest = Double.NaN;
    double narrowest = Double.NaN;
    for (int i = 0; i < bench.plan().others(); i++) {
      double other = setting.value(i);
      double width = width(cells, other, bound);
      if (!Double.isNaN(width)) {
        widest = !(width <= width(cells, widest, bound)) ? other : widest;
        narrowest = !(width >= width(cells, narrowest, bound)) ? other : narrowest;
      }
    }
    double wide = width(cells, widest, bound);
    double narrow = width(cells, narrowest, bound);
    note(best);
    String label = setting.label();
    String width =
        wide == narrow
            ? "the valley is as wide for every " + label + " that trains"
            : "the valley is widest at "
                + label
                + " "
                + Say.number(widest)
                + " ("
                + Say.times(wide)
                + " from end to end) and narrowest at "
                + Say.number(narrowest)
                + " ("
                + (narrow > 1 ? Say.times(narrow) : "a single rate")
                + ")";
    Section section =
        new Section("map", "Rate against " + label)
            .say(
                "Good settings form a valley. Where it is wide, a rate that is a little off costs"
                    + " nothing; where it is narrow, everything depends on it. Here "
                    + width
                    + ".")
            .say(
                "Successive halving: every pair has a run of a quarter of the steps, the better"
                    + " half of them one of half, the better half of those one of all. So a pale"
                    + " cell was given up early, and its loss is that of a shorter run.");
    return section.add(chart(cells, best, width));
  }

  private void note(Cell best) {
    RunSetup setup = bench.task().setup();
    double present =
        switch (setting) {
          case WEIGHT_DECAY -> RuleSettings.number(setup.rule(), "weightDecay");
          case MOMENTUM -> RuleSettings.number(setup.rule(), "momentum");
          case BATCH -> setup.batch();
        };
    Findings findings = bench.findings();
    if (best.other != present && best.loss() < findings.loss - 2 * findings.spread) {
      findings.betterSetting =
          "%s %s at a rate of %s (validation loss %s against %s)"
              .formatted(
                  setting.label(),
                  Say.number(best.other),
                  Say.number(best.rate),
                  Say.loss(best.loss()),
                  Say.loss(findings.loss));
    }
  }

  private Chart chart(List<Cell> cells, Cell best, String width) {
    Chart chart =
        new Chart(
                "map",
                "heatmap",
                Character.toUpperCase(width.charAt(0)) + width.substring(1),
                "rate",
                setting.label(),
                "validation loss",
                "steps")
            .axis("x", "rate", "learning rate", "band")
            .axis("y", setting.label(), setting.label(), "band")
            .axis("color", "validation loss", "final validation loss", "log")
            .set("full", bench.plan().steps())
            .mark("dots", "x", best.rate, "y", best.other, "label", "best")
            .caption(
                "Darker is better; the dot marks the best pair. One seed. Cells without a colour"
                    + " ended with a loss that is not finite.");
    for (Cell cell : cells) {
      chart.row(cell.rate, cell.other, cell.loss(), cell.run.history().steps());
    }
    return chart;
  }
}
