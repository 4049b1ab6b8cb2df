package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command {@code train} with several rates, warm-ups or schedules. */
class TrainComparisonTest {
  private static final String[] SMALL = {
    "train", "--data", "breast-cancer", "--hidden", "4", "--epochs", "3"
  };

  @TempDir Path folder;

  private static CommandRun train(String... options) {
    return run(Stream.concat(Stream.of(SMALL), Stream.of(options)).toArray(String[]::new));
  }

  @Test
  void aTableHasARowForEachCombination() throws Exception {
    Path plot = folder.resolve("runs.svg");
    CommandRun run =
        train("--lr", "1e-5,1e-2", "--warmup", "none,linear", "--plot", plot.toString());
    assertEquals(0, run.exitCode(), run.err());
    String table = run.out().substring(run.out().indexOf("train loss"));
    assertEquals(
        2, table.lines().filter(line -> line.trim().startsWith("0.00001 ")).count(), table);
    assertEquals(2, table.lines().filter(line -> line.trim().startsWith("0.01 ")).count(), table);
    assertEquals(2, table.lines().filter(line -> line.endsWith("too low")).count(), table);
    assertTrue(table.lines().anyMatch(line -> line.endsWith("right")), table);
    assertTrue(table.contains("least test loss: 0.01"), table);
    assertTrue(table.contains("highest of the rates: try higher ones too"), table);
    String svg = Files.readString(plot);
    assertTrue(svg.contains("Least test loss: 0.01, warm-up "), "the title says what to see");
    for (String color : List.of("0,114,178", "213,94,0", "0,158,115", "204,121,167")) {
      assertTrue(svg.replace(" ", "").contains(color), "a curve for each run: " + color);
    }
  }

  /** Each is the run that it would be alone. */
  @Test
  void jsonHasTheSameRunsAsOneByOne() {
    JsonObject together = train("--lr", "0.001,0.01", "--json").json();
    JsonArray runs = together.getAsJsonArray("runs");
    assertEquals(2, runs.size());
    for (int i = 0; i < 2; i++) {
      JsonObject alone = train("--lr", List.of("0.001", "0.01").get(i), "--json").json();
      for (String name : List.of("lr", "warmup", "train_loss", "test_loss", "fit", "steps")) {
        assertEquals(alone.get(name), runs.get(i).getAsJsonObject().get(name), name);
      }
    }
    assertEquals("adam", together.get("rule").getAsString());
  }

  @Test
  void aRunThatDivergesLeavesTheOthers() {
    JsonArray runs =
        train("--rule", "sgd", "--lr", "1e30,0.1", "--json").json().getAsJsonArray("runs");
    assertTrue(runs.get(0).getAsJsonObject().get("error").getAsString().contains("diverged"));
    assertTrue(runs.get(1).getAsJsonObject().get("test_loss").getAsDouble() < 0.5);
    CommandRun table = train("--rule", "sgd", "--lr", "1e30,0.1");
    assertEquals(0, table.exitCode(), table.err());
    assertTrue(
        table.out().lines().anyMatch(line -> line.matches(".*diverged +too high")), table.out());
    CommandRun all = train("--rule", "sgd", "--lr", "1e30,1e31");
    assertTrue(all.out().contains("every run diverged"), all.out());
  }

  @Test
  void schedulesCanBeListedToo() {
    JsonArray runs =
        train("--schedule", "constant,cosine", "--warmup", "none", "--json")
            .json()
            .getAsJsonArray("runs");
    assertEquals(
        List.of("constant", "cosine"),
        runs.asList().stream()
            .map(run -> run.getAsJsonObject().get("schedule").getAsString())
            .toList());
  }

  @Test
  void oneWrongValueIsFoundBeforeTheFirstRun() {
    CommandRun run = train("--lr", "0.1,-1");
    assertEquals(2, run.exitCode());
    assertTrue(run.err().contains("--lr is -1.0, must be finite"), run.err());
    assertEquals("", run.out());
  }
}
