package io.warmstep.cli.lab;

import io.warmstep.cli.train.History;
import io.warmstep.cli.train.Mlp;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** Training and validation loss over the steps, several seeds as a band. */
final class LossChart {
  private LossChart() {}

  static Chart of(String id, String title, List<Trained> seeds) {
    Chart chart =
        new Chart(id, "lines", title, "step", "rows", "loss", "lowest seed", "highest seed")
            .axis("x", "step", "step", "linear")
            .axis("y", "loss", "loss", "linear")
            .set("series", "rows")
            .set("band", List.of("lowest seed", "highest seed"));
    add(chart, "training", seeds, History.Point::train);
    add(chart, "validation", seeds, History.Point::test);
    return chart;
  }

  private static void add(
      Chart chart, String rows, List<Trained> seeds, Function<History.Point, Mlp.Evaluation> of) {
    int points = seeds.stream().mapToInt(run -> run.history().points().size()).max().orElse(0);
    for (int i = 0; i < points; i++) {
      int at = i;
      double[] losses =
          seeds.stream()
              .filter(run -> run.history().points().size() > at)
              .mapToDouble(run -> of.apply(run.history().points().get(at)).loss())
              .sorted()
              .toArray();
      long step =
          seeds.stream()
              .filter(run -> run.history().points().size() > at)
              .mapToLong(run -> run.history().points().get(at).step())
              .max()
              .orElseThrow();
      chart.row(step, rows, Trained.median(losses), losses[0], losses[losses.length - 1]);
    }
  }

  /** Says how far apart two losses are. */
  static String gap(double train, double validation) {
    return String.format(Locale.ROOT, "%+.3f", validation - train);
  }
}
