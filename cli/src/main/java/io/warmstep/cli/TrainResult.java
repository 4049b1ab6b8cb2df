package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.cli.train.Baselines;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.Mlp;
import io.warmstep.schedule.FitVerdict;
import java.util.Formatter;
import java.util.Locale;

/**
 * What came out of a run of {@code train}.
 *
 * @param steps those of this run, without those of a run that it resumed
 * @param bits a hash of the parameters' bits at the end
 */
record TrainResult(
    History history,
    long steps,
    String bits,
    Baselines baselines,
    FitVerdict verdict,
    double seconds) {
  private double stepsPerSecond() {
    return steps / seconds;
  }

  /** For people: losses and accuracies beside those of simple methods, and the verdict. */
  String summary() {
    History.Point last = history.last();
    StringBuilder text = new StringBuilder();
    try (Formatter to = new Formatter(text, Locale.ROOT)) {
      to.format("%n                          loss   accuracy%n");
      line(to, "training", last.train());
      line(to, "test", last.test());
      baselines.byName().forEach((name, quality) -> line(to, "  " + name, quality));
      to.format("%nfit: %s%n", verdict.fit());
      to.format("  %s%n", verdict.reason());
      verdict.advice().forEach(note -> to.format("  %s%n", note));
      to.format(
          "%s in %.2f s, %,.0f steps per second",
          TrainCommand.steps(steps), seconds, stepsPerSecond());
    }
    return text.toString();
  }

  private static void line(Formatter to, String name, Mlp.Evaluation quality) {
    to.format("%-20s  %8.4f   %8.4f%n", name, quality.loss(), quality.accuracy());
  }

  /** For programs. */
  void addTo(JsonObject json) {
    History.Point last = history.last();
    json.addProperty("bits", bits);
    json.addProperty("steps", history.steps());
    json.add("train_loss", Json.number(last.train().loss()));
    json.add("test_loss", Json.number(last.test().loss()));
    json.add("train_accuracy", Json.number(last.train().accuracy()));
    json.add("test_accuracy", Json.number(last.test().accuracy()));
    JsonObject simple = new JsonObject();
    baselines
        .byName()
        .forEach((name, quality) -> simple.add(name.replace(' ', '_'), json(quality)));
    json.add("baselines", simple);
    json.addProperty("fit", verdict.fit().toString());
    json.addProperty("reason", verdict.reason());
    JsonArray notes = new JsonArray();
    verdict.advice().forEach(notes::add);
    json.add("notes", notes);
    json.addProperty("best_epoch", verdict.best());
    json.add("seconds", Json.number(seconds));
    json.add("steps_per_second", Json.number(stepsPerSecond()));
  }

  private static JsonObject json(Mlp.Evaluation quality) {
    JsonObject json = new JsonObject();
    json.add("test_loss", Json.number(quality.loss()));
    json.add("test_accuracy", Json.number(quality.accuracy()));
    return json;
  }
}
