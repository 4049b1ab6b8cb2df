package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.testkit.EventReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files that follow a run, each read back by other code than wrote it. */
class StepLogTest {
  private static final double NAN = Double.NaN;

  private static final StepReport FIRST =
      new StepReport(10, 0.1 + 0.2, NAN, 1.5, NAN, 0, updates(NAN, 0.25, "", NAN));
  private static final StepReport SECOND =
      new StepReport(
          300, 1e-5, 2.25, Double.POSITIVE_INFINITY, 0.5, 7, updates(1e-3, 0, "a\"b", 0.5));
  private static final StepReport THIRD = new StepReport(301, 0, NAN, 0, 1, 1L << 40, List.of());

  @TempDir Path folder;

  private static List<StepReport.Update> updates(
      double ratio, double lost, String largest, double vanished) {
    StepReport.Codes codes = new StepReport.Codes("exp_avg", 0, vanished);
    return List.of(
        new StepReport.Update("*.\"b\",\\", ratio, lost, 2 * ratio, largest, List.of(codes)));
  }

  private static void write(StepLog log) throws IOException {
    try (log) {
      log.onStep(FIRST);
      log.onStep(SECOND);
      log.onStep(THIRD);
    }
  }

  @Test
  void csv() throws IOException {
    Path file = folder.resolve("log.csv");
    write(StepLog.csv(file));
    List<String> lines = Files.readAllLines(file);
    assertEquals(
        "step,learning_rate,loss,gradient_norm,clip_rate,skipped_steps,"
            + "\"update_to_weight/*.\"\"b\"\",\\\",\"lost_updates/*.\"\"b\"\",\\\","
            + "\"largest_update_to_weight/*.\"\"b\"\",\\\","
            + "\"largest_update_parameter/*.\"\"b\"\",\\\","
            + "\"saturated_codes/*.\"\"b\"\",\\/exp_avg\","
            + "\"vanished_codes/*.\"\"b\"\",\\/exp_avg\"",
        lines.get(0));
    assertEquals("10,0.30000000000000004,NaN,1.5,NaN,0,NaN,0.25,NaN,,0.0,NaN", lines.get(1));
    assertEquals("300,1.0E-5,2.25,Infinity,0.5,7,0.001,0.0,0.002,\"a\"\"b\",0.0,0.5", lines.get(2));
    assertEquals("301,0.0,NaN,0.0,1.0,1099511627776,NaN,NaN,NaN,,NaN,NaN", lines.get(3));
    assertEquals(4, lines.size());
    assertEquals(0.1 + 0.2, Double.parseDouble(lines.get(1).split(",", -1)[1]));
  }

  @Test
  void jsonLines() throws IOException {
    Path file = folder.resolve("log.jsonl");
    write(StepLog.jsonLines(file));
    List<JsonObject> objects =
        Files.readAllLines(file).stream()
            .map(line -> JsonParser.parseString(line).getAsJsonObject())
            .toList();
    assertEquals(3, objects.size());
    assertEquals(10, objects.get(0).get("step").getAsLong());
    assertEquals(0.1 + 0.2, objects.get(0).get("learning_rate").getAsDouble());
    assertTrue(objects.get(0).get("loss").isJsonNull());
    assertEquals(0.25, objects.get(0).get("lost_updates/*.\"b\",\\").getAsDouble());
    assertTrue(objects.get(0).get("update_to_weight/*.\"b\",\\").isJsonNull());
    assertEquals("", objects.get(0).get("largest_update_parameter/*.\"b\",\\").getAsString());
    assertEquals("a\"b", objects.get(1).get("largest_update_parameter/*.\"b\",\\").getAsString());
    assertEquals(0.5, objects.get(1).get("vanished_codes/*.\"b\",\\/exp_avg").getAsDouble());
    assertTrue(objects.get(1).get("gradient_norm").isJsonNull());
    assertEquals(2.25, objects.get(1).get("loss").getAsDouble());
    assertEquals(1L << 40, objects.get(2).get("skipped_steps").getAsLong());
  }

  @Test
  void tensorBoard() throws IOException {
    write(StepLog.tensorBoard(folder.resolve("run")));
    Path file;
    try (var files = Files.list(folder.resolve("run"))) {
      file = files.findFirst().orElseThrow();
    }
    assertTrue(file.getFileName().toString().contains("tfevents"), file.toString());
    EventReader read = EventReader.of(file);
    assertEquals("brain.Event:2", read.version());
    assertEquals(
        List.of(
            "10 learning_rate 0.3",
            "10 gradient_norm 1.5",
            "10 skipped_steps 0.0",
            "10 lost_updates/*.\"b\",\\ 0.25",
            "10 saturated_codes/*.\"b\",\\/exp_avg 0.0",
            "300 learning_rate 1.0E-5",
            "300 loss 2.25",
            "300 gradient_norm Infinity",
            "300 clip_rate 0.5",
            "300 skipped_steps 7.0",
            "300 update_to_weight/*.\"b\",\\ 0.001",
            "300 lost_updates/*.\"b\",\\ 0.0",
            "300 largest_update_to_weight/*.\"b\",\\ 0.002",
            "300 saturated_codes/*.\"b\",\\/exp_avg 0.0",
            "300 vanished_codes/*.\"b\",\\/exp_avg 0.5",
            "301 learning_rate 0.0",
            "301 loss NaN",
            "301 gradient_norm 0.0",
            "301 clip_rate 1.0",
            "301 skipped_steps " + (float) (1L << 40)), // newer JDKs print fewer digits
        read.scalars().stream().map(EventReader.Scalar::toString).toList());
    long now = System.currentTimeMillis() / 1000;
    assertTrue(Math.abs(read.scalars().get(0).wallTime() - now) < 3600, "seconds since 1970");
  }

  /** A TensorFlow file whose first event is its version begins with these bytes. */
  @Test
  void theFirstRecordBeginsAsTensorFlowsDoes() throws IOException {
    EventFile events = EventFile.create(folder);
    events.close();
    byte[] bytes = Files.readAllBytes(events.file());
    assertEquals(8 + 4 + 24 + 4, bytes.length);
    assertArrayEquals(
        HexFormat.of().parseHex("1800000000000000a37f4b2209"), Arrays.copyOf(bytes, 13));
  }

  @Test
  void aDamagedFileIsDistinguishedFromAWholeOne() throws IOException {
    EventFile events = EventFile.create(folder);
    events.scalar("loss", 1, 2);
    events.close();
    byte[] bytes = Files.readAllBytes(events.file());
    bytes[bytes.length - 8] ^= 1;
    Files.write(events.file(), bytes);
    assertThrows(AssertionError.class, () -> EventReader.of(events.file()));
  }

  @Test
  void runsOfOneSecondGetFilesOfTheirOwn() throws IOException {
    List<String> names = new ArrayList<>();
    long before = System.currentTimeMillis() / 1000;
    for (int i = 0; i < 4; i++) { // of which two are of one second at least
      try (EventFile file = EventFile.create(folder)) {
        names.add(file.file().getFileName().toString());
      }
    }
    long after = System.currentTimeMillis() / 1000;
    List<String> expected = new ArrayList<>();
    for (long second = before; second <= after; second++) {
      String start = "events.out.tfevents." + second + ".warmstep.";
      long count = names.stream().filter(name -> name.startsWith(start)).count();
      for (int number = 0; number < count; number++) {
        expected.add(start + number);
      }
    }
    assertEquals(expected, names);
  }

  @Test
  void anUnwritablePlaceIsRefusedAtOnce() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    assertThrows(IOException.class, () -> StepLog.csv(file.resolve("x.csv")));
    assertThrows(IOException.class, () -> StepLog.tensorBoard(file.resolve("run")));
  }

  /** Whoever follows a run reads each step as soon as it is reported. */
  @Test
  void aStepIsInTheFileBeforeTheNext() throws IOException {
    Path csv = folder.resolve("log.csv");
    Path lines = folder.resolve("log.jsonl");
    Path run = folder.resolve("run");
    try (StepLog first = StepLog.csv(csv);
        StepLog second = StepLog.jsonLines(lines);
        StepLog third = StepLog.tensorBoard(run)) {
      for (StepLog log : List.of(first, second, third)) {
        log.onStep(FIRST);
      }
      assertEquals(2, Files.readAllLines(csv).size());
      assertEquals(1, Files.readAllLines(lines).size());
      try (var files = Files.list(run)) {
        EventReader read = EventReader.of(files.findFirst().orElseThrow());
        assertEquals(5, read.scalars().size());
      }
    }
  }

  @Test
  void aClosedLogTakesNoMore() throws IOException {
    for (StepLog log :
        List.of(
            StepLog.csv(folder.resolve("log.csv")),
            StepLog.jsonLines(folder.resolve("log.jsonl")),
            StepLog.tensorBoard(folder.resolve("run")))) {
      log.onStep(FIRST);
      log.close();
      assertThrows(UncheckedIOException.class, () -> log.onStep(SECOND));
    }
  }

  @Test
  void controlCharactersAreEscapedAndSpacesAreNot() throws IOException {
    Path file = folder.resolve("log.jsonl");
    try (StepLog log = StepLog.jsonLines(file)) {
      StepReport.Update update =
          new StepReport.Update("a b", 1, 0, 1, "\u001f \n\u0000", List.of());
      log.onStep(new StepReport(1, 1, 1, 1, 1, 0, List.of(update)));
    }
    String line = Files.readAllLines(file).get(0);
    assertTrue(line.contains("update_to_weight/a b"), line);
    assertTrue(line.contains("\"\\u001f \\u000a\\u0000\""), line);
  }
}
