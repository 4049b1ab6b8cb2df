package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.cli.train.CurvePlot;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.PlotFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** Several runs of {@code train} that differ in their learning rates, side by side. */
final class TrainComparison {
  private static final String ROW = "%10s  %-16s %-14s %10s %10s %9s %9s  %-13s  %s%n";

  /** A loss is about as good as the best if it is at most this share above it. */
  private static final double TOLERANCE = 0.25;

  private final List<Entry> entries = new ArrayList<>();

  /** A run; its result is null if it diverged. */
  private record Entry(TrainOptions.Chosen chosen, TrainResult result, JsonObject json) {
    double testLoss() {
      return result == null ? Double.POSITIVE_INFINITY : result.history().last().test().loss();
    }

    double rate() {
      return chosen.rate().highest();
    }

    String rateText() {
      return TrainCommand.number(rate());
    }
  }

  void add(TrainOptions.Chosen chosen, TrainResult result, JsonObject json) {
    entries.add(new Entry(chosen, result, json));
  }

  int size() {
    return entries.size();
  }

  JsonArray toJson() {
    JsonArray array = new JsonArray();
    entries.forEach(entry -> array.add(entry.json()));
    return array;
  }

  /** The run with the least test loss, if one did not diverge. */
  private Optional<Entry> best() {
    return entries.stream()
        .filter(entry -> Double.isFinite(entry.testLoss()))
        .min(Comparator.comparingDouble(Entry::testLoss));
  }

  /** A table, a row for each run, and which of them is best. */
  String text() {
    StringBuilder text = new StringBuilder();
    try (Formatter to = new Formatter(text, Locale.ROOT)) {
      to.format("%n");
      to.format(
          ROW,
          "lr",
          "schedule",
          "warm-up",
          "train loss",
          "test loss",
          "train acc",
          "test acc",
          "fit",
          "rate is");
      for (Entry entry : entries) {
        String rate = entry.rateText();
        String warmUp = entry.chosen().rate().warmUp();
        if (entry.result() == null) {
          to.format(
              ROW,
              rate,
              entry.chosen().schedule(),
              warmUp,
              "-",
              "-",
              "-",
              "-",
              "diverged",
              "too high");
        } else {
          History.Point last = entry.result().history().last();
          to.format(
              ROW,
              rate,
              entry.chosen().schedule(),
              warmUp,
              figure(last.train(), true),
              figure(last.test(), true),
              figure(last.train(), false),
              figure(last.test(), false),
              entry.result().verdict().fit(),
              judged(entry));
        }
      }
      to.format("%n%s", conclusion());
    }
    return text.toString();
  }

  /** The rate against that of the best run. */
  private String judged(Entry entry) {
    Entry best = best().orElse(entry);
    if (entry.testLoss() <= (1 + TOLERANCE) * best.testLoss()) {
      return "right";
    }
    return entry.rate() == best.rate() ? "-" : entry.rate() < best.rate() ? "too low" : "too high";
  }

  /** What distinguishes a run from the others. */
  private String name(Entry entry) {
    List<String> parts = new ArrayList<>();
    add(parts, Entry::rateText, "", entry);
    add(parts, run -> run.chosen().schedule(), "", entry);
    add(parts, run -> run.chosen().rate().warmUp(), "warm-up ", entry);
    return String.join(", ", parts);
  }

  private void add(List<String> parts, Function<Entry, String> part, String before, Entry entry) {
    if (entries.stream().map(part).distinct().count() > 1) {
      parts.add(before + part.apply(entry));
    }
  }

  private static String figure(Mlp.Evaluation quality, boolean isLoss) {
    return String.format(Locale.ROOT, "%.4f", isLoss ? quality.loss() : quality.accuracy());
  }

  private String conclusion() {
    if (best().isEmpty()) {
      return "every run diverged: all of these rates are too high";
    }
    Entry best = best().get();
    StringBuilder text = new StringBuilder("least test loss: ").append(name(best));
    double rate = best.rate();
    double lowest = entries.stream().mapToDouble(Entry::rate).min().orElse(0);
    double highest = entries.stream().mapToDouble(Entry::rate).max().orElse(0);
    if (lowest < highest && rate == lowest) {
      text.append("; that is the lowest of the rates: try lower ones too");
    } else if (lowest < highest && rate == highest) {
      text.append("; that is the highest of the rates: try higher ones too");
    }
    return text.toString();
  }

  /** The test losses over each other. */
  void write(PlotFile file, String subtitle) throws IOException {
    String title =
        best()
            .map(best -> "Least test loss: " + name(best))
            .orElse("Every run diverged: all of these rates are too high");
    CurvePlot plot =
        new CurvePlot(title, subtitle, "Step", "Test loss (log scale)").logarithmic(false, true);
    for (Entry entry : entries) {
      if (entry.result() != null) {
        List<History.Point> points = entry.result().history().points();
        plot.add(
            name(entry),
            points.stream().mapToDouble(History.Point::step).toArray(),
            points.stream().mapToDouble(point -> point.test().loss()).toArray());
      }
    }
    plot.write(file);
  }
}
