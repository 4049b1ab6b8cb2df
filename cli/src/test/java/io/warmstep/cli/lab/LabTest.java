package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.testkit.EventReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The lab as a whole: its files, that they repeat, and what an interruption leaves. */
class LabTest {
  private static final List<String> SECTIONS =
      List.of(
          "verdict",
          "range",
          "runs",
          "map",
          "fit",
          "surfaces",
          "plane",
          "schedules",
          "race",
          "health",
          "bits",
          "next");

  @TempDir Path folder;

  private Path write(LabReport report, String name) throws IOException {
    Path out = folder.resolve(name);
    report.write(LabFolder.at(out));
    return out;
  }

  private static JsonObject read(Path out) throws IOException {
    return JsonParser.parseString(Files.readString(out.resolve("lab.json"))).getAsJsonObject();
  }

  private static List<JsonObject> charts(JsonObject lab) {
    List<JsonObject> charts = new ArrayList<>();
    for (JsonElement section : lab.getAsJsonArray("sections")) {
      section
          .getAsJsonObject()
          .getAsJsonArray("charts")
          .forEach(chart -> charts.add(chart.getAsJsonObject()));
    }
    return charts;
  }

  @Test
  void labJsonRepeatsByteForByteWhateverTheThreads() throws IOException {
    Path one = write(TinyLab.run(TinyLab.breastCancer(3), 1), "one");
    Path other = write(TinyLab.run(TinyLab.breastCancer(3), 4), "other");
    Path otherSeed = write(TinyLab.run(TinyLab.breastCancer(4), 2), "seed");
    assertEquals(-1, Files.mismatch(one.resolve("lab.json"), other.resolve("lab.json")));
    assertNotEquals(read(one).get("bits").getAsString(), read(otherSeed).get("bits").getAsString());
  }

  @Test
  void itsFilesAgreeWithEachOther() throws IOException {
    Path out = write(TinyLab.run(TinyLab.breastCancer(0), 2), "lab");
    JsonObject lab = read(out);
    assertEquals(
        SECTIONS,
        lab.getAsJsonArray("sections").asList().stream()
            .map(section -> section.getAsJsonObject().get("id").getAsString())
            .toList());
    double rate = lab.get("suggested_rate").getAsDouble();
    assertTrue(lab.get("low").getAsDouble() <= rate && rate <= lab.get("high").getAsDouble());
    assertEquals(64, lab.get("bits").getAsString().length());
    assertTrue(lab.get("complete").getAsBoolean());
    assertTrue(
        List.of("under-fitting", "appropriate", "over-fitting")
            .contains(lab.get("verdict").getAsString()));

    List<JsonObject> charts = charts(lab);
    assertEquals(
        charts.size(), charts.stream().map(chart -> chart.get("id")).distinct().count(), "ids");
    for (JsonObject chart : charts) {
      assertCsv(out, chart);
    }
    assertPage(out);
    assertEvents(out.resolve("events"));
    JsonObject timings =
        JsonParser.parseString(Files.readString(out.resolve("timings.json"))).getAsJsonObject();
    assertTrue(timings.getAsJsonObject("milliseconds_per_step").get("adam").getAsDouble() > 0);
    assertTrue(
        timings.getAsJsonArray("backends").asList().stream()
            .map(JsonElement::getAsJsonObject)
            .filter(backend -> backend.get("name").getAsString().equals("cpu"))
            .allMatch(backend -> backend.get("result").getAsString().equals("the same bits")));
  }

  private static void assertCsv(Path out, JsonObject chart) throws IOException {
    Path file = out.resolve("csv").resolve(chart.get("id").getAsString() + ".csv");
    try (CSVParser csv = CSVParser.parse(file, StandardCharsets.UTF_8, CSVFormat.DEFAULT)) {
      List<CSVRecord> records = csv.getRecords();
      assertEquals(chart.getAsJsonArray("rows").size() + 1, records.size(), file.toString());
      for (int i = 0; i < records.size(); i++) {
        JsonElement row = i == 0 ? chart.get("columns") : chart.getAsJsonArray("rows").get(i - 1);
        assertEquals(
            row.getAsJsonArray().asList().stream()
                .map(value -> value.isJsonNull() ? "" : value.getAsString())
                .toList(),
            records.get(i).toList());
      }
    }
  }

  /** The page holds lab.json, and asks for nothing else. */
  private static void assertPage(Path out) throws IOException {
    String page = Files.readString(out.resolve("index.html"));
    String start = "<script type=\"application/json\" id=\"lab\">";
    int at = page.indexOf(start) + start.length();
    assertEquals(
        read(out), JsonParser.parseString(page.substring(at, page.indexOf("</script>", at))));
    assertFalse(page.contains("/*" + "LAB*/") || page.contains("/*" + "JS*/"));
    String own = page.substring(0, page.indexOf(start));
    assertFalse(own.contains("src=") || own.contains("@import") || own.contains("url("), "loads");
    assertTrue(page.contains("Copyright"), "the licences are there");
  }

  private static void assertEvents(Path events) throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.walk(events)) {
      files = all.filter(Files::isRegularFile).toList();
    }
    assertTrue(files.size() > 10, "runs: " + files.size());
    for (Path file : files) {
      List<EventReader.Scalar> scalars = EventReader.of(file).scalars();
      assertTrue(
          scalars.stream().anyMatch(scalar -> scalar.tag().equals("loss/validation")),
          file.toString());
    }
  }

  @Test
  void anInterruptionKeepsWhatIsDone() throws IOException {
    AtomicInteger begun = new AtomicInteger();
    LabReport report =
        TinyLab.run(
            TinyLab.breastCancer(0),
            TinyLab.PLAN,
            MapSetting.BATCH,
            2,
            lab -> {
              if (begun.incrementAndGet() == 4) {
                lab.stop();
              }
            });
    assertTrue(report.isStopped());
    JsonObject lab = read(write(report, "stopped"));
    assertFalse(lab.get("complete").getAsBoolean());
    assertEquals(
        List.of("verdict", "range", "runs", "map", "next"),
        lab.getAsJsonArray("sections").asList().stream()
            .map(section -> section.getAsJsonObject().get("id").getAsString())
            .toList());
    assertTrue(report.verdict().stream().anyMatch(text -> text.contains("interrupted")));
    assertTrue(lab.get("suggested_rate").getAsDouble() > 0);
  }

  @Test
  void anInterruptionAtOnceLeavesAPageThatSaysSo() throws IOException {
    LabReport report =
        TinyLab.run(TinyLab.breastCancer(0), TinyLab.PLAN, MapSetting.BATCH, 2, lab -> lab.stop());
    JsonObject lab = read(write(report, "stopped"));
    assertTrue(lab.get("suggested_rate").isJsonNull());
    assertEquals(2, lab.getAsJsonArray("sections").size());
    assertTrue(report.verdict().get(1).contains("interrupted"));
  }

  @ParameterizedTest
  @EnumSource(MapSetting.class)
  void everySettingCanBeMapped(MapSetting setting) throws IOException {
    AtomicInteger begun = new AtomicInteger();
    LabTask task =
        TinyLab.task(io.warmstep.cli.data.DataSets.breastCancer(), List.of(4), "momentum", 1);
    LabReport report =
        TinyLab.run(
            task,
            TinyLab.PLAN,
            setting,
            2,
            lab -> {
              if (begun.incrementAndGet() == 4) {
                lab.stop();
              }
            });
    JsonObject map =
        charts(read(write(report, "map"))).stream()
            .filter(chart -> chart.get("id").getAsString().equals("map"))
            .findFirst()
            .orElseThrow();
    assertEquals(7 * TinyLab.PLAN.others(), map.getAsJsonArray("rows").size());
    assertTrue(map.get("columns").toString().contains(setting.label()));
    // Halving: a quarter of the pairs have all of the steps.
    long full =
        map.getAsJsonArray("rows").asList().stream()
            .filter(row -> row.getAsJsonArray().get(3).getAsInt() == TinyLab.PLAN.steps())
            .count();
    assertEquals((7 * 3 + 1) / 2 / 2 + (7 * 3 + 1) / 2 % 2, full);
  }

  @Test
  void aSecondLabReplacesTheFirstAndLeavesOtherFiles() throws IOException {
    LabReport report =
        TinyLab.run(TinyLab.breastCancer(0), TinyLab.PLAN, MapSetting.BATCH, 2, Lab::stop);
    Path out = write(report, "lab");
    Files.writeString(out.resolve("notes.txt"), "mine");
    Files.writeString(out.resolve("csv").resolve("old.csv"), "of the first lab");
    write(report, "lab");
    assertEquals("mine", Files.readString(out.resolve("notes.txt")));
    assertFalse(Files.exists(out.resolve("csv").resolve("old.csv")));
  }
}
