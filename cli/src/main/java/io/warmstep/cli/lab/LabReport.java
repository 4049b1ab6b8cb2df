package io.warmstep.cli.lab;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.cli.text.ProgramVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.csv.CSVFormat;

/** What the lab found, and its files. */
public final class LabReport {
  private static final Gson GSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private final Bench bench;
  private final Conclusion conclusion;
  private final List<Section> sections;

  LabReport(Bench bench, Conclusion conclusion, List<Section> sections) {
    this.bench = bench;
    this.conclusion = conclusion;
    this.sections = sections;
  }

  /**
   * Whether it was stopped before its end.
   *
   * @return whether something is missing
   */
  public boolean isStopped() {
    return bench.findings().isStopped;
  }

  /**
   * What was found in a few values.
   *
   * @return suggested_rate, low, high, verdict, seed, bits and what they were found with
   */
  public JsonObject summary() {
    Findings findings = bench.findings();
    LabTask task = bench.task();
    JsonObject json = new JsonObject();
    json.add("suggested_rate", Chart.json(findings.rate));
    json.add("low", Chart.json(findings.low));
    json.add("high", Chart.json(findings.high));
    json.addProperty("verdict", conclusion.verdict());
    json.addProperty("seed", task.seed());
    json.addProperty("bits", findings.bits);
    json.addProperty("data", task.data());
    json.addProperty("rule", task.ruleName());
    json.add("hidden", Chart.json(task.hidden()));
    json.addProperty("batch", task.batch());
    json.addProperty("plan", bench.plan().name());
    json.addProperty("seeds", bench.plan().seeds());
    json.addProperty("steps", bench.plan().steps());
    json.addProperty("complete", !findings.isStopped);
    json.add("validation_loss", Chart.json(findings.loss));
    json.add("validation_accuracy", Chart.json(findings.accuracy));
    return json;
  }

  /**
   * The sentences at the head of the page.
   *
   * @return the title, then a paragraph each
   */
  public List<String> verdict() {
    return sections.get(0).sentences();
  }

  /**
   * What to try next, in order.
   *
   * @return a sentence each
   */
  public List<String> advice() {
    return conclusion.advice();
  }

  /**
   * Writes everything into the folder.
   *
   * @param folder exists
   * @throws IOException if something cannot be written
   */
  public void write(LabFolder folder) throws IOException {
    JsonObject lab = summary();
    JsonArray array = new JsonArray();
    sections.forEach(section -> array.add(section.toJson()));
    lab.add("sections", array);
    String labText = GSON.toJson(lab);
    String timings = GSON.toJson(timings());
    folder.clear();
    Files.writeString(folder.file("lab.json"), labText + "\n");
    Files.writeString(folder.file("timings.json"), timings + "\n");
    Path csv = Files.createDirectories(folder.file("csv"));
    for (Section section : sections) {
      for (Chart chart : section.charts()) {
        write(chart, csv.resolve(chart.id() + ".csv"));
      }
    }
    bench.recorder().write(folder.file("events"));
    Files.writeString(folder.file("index.html"), Page.of(labText, timings));
  }

  private JsonObject timings() {
    JsonObject timings = new JsonObject();
    JsonObject machine = new JsonObject();
    machine.addProperty("warmstep", ProgramVersion.ofJar().orElse("not run from its jar"));
    machine.addProperty(
        "java",
        System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + ")");
    machine.addProperty(
        "system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    machine.addProperty("processors", Runtime.getRuntime().availableProcessors());
    machine.addProperty("device", bench.work().device().toString());
    timings.add("machine", machine);
    bench.timings().entrySet().forEach(entry -> timings.add(entry.getKey(), entry.getValue()));
    return timings;
  }

  private static void write(Chart chart, Path file) throws IOException {
    CSVFormat format = CSVFormat.DEFAULT.builder().setRecordSeparator("\n").get();
    StringBuilder text = new StringBuilder();
    text.append(format.format(chart.columns().toArray())).append('\n');
    for (var row : chart.rows()) {
      Object[] values =
          row.getAsJsonArray().asList().stream()
              .map(value -> value.isJsonNull() ? "" : value.getAsString())
              .toArray();
      text.append(format.format(values)).append('\n');
    }
    Files.writeString(file, text);
  }
}
