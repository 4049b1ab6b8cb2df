package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command {@code lr-find}. */
class LrFindCommandTest {
  @TempDir Path folder;

  @Test
  void suggestsARateThatTrains() {
    JsonObject found = run("lr-find", "--data", "breast-cancer", "--hidden", "8", "--json").json();
    double rate = found.get("suggested_rate").getAsDouble();
    assertTrue(rate > 1e-4 && rate < 0.3, "rate " + rate);
    assertTrue(
        found.get("low").getAsDouble() <= rate && rate <= found.get("high").getAsDouble() * 1.01,
        found.toString());
    assertTrue(found.getAsJsonArray("curve").size() > 50);
    JsonObject trained =
        run(
                "train",
                "--data",
                "breast-cancer",
                "--hidden",
                "8",
                "--epochs",
                "10",
                "--lr",
                String.valueOf(rate),
                "--json")
            .json();
    assertTrue(trained.get("test_accuracy").getAsDouble() > 0.93, trained.toString());
  }

  @Test
  void printsAndDrawsWhatItFound() throws Exception {
    Path plot = folder.resolve("range.png");
    CommandRun run =
        run("lr-find", "--data", "breast-cancer", "--hidden", "8", "--plot", plot.toString());
    assertEquals(0, run.exitCode(), run.err());
    for (String line : new String[] {"suggested learning rate: ", "valley", "diverges", "band"}) {
      assertTrue(run.out().contains(line), run.out());
    }
    assertTrue(Files.size(plot) > 10_000);
  }

  @Test
  void saysWhereThereIsNothingToSuggest() {
    CommandRun run =
        run(
            "lr-find",
            "--data",
            "breast-cancer",
            "--hidden",
            "8",
            "--to",
            "1e-9",
            "--from",
            "1e-12");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("no suggestion (flat)"), run.out());
    assertTrue(run.out().contains("valley          unknown"), run.out());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "lr-find --from 0             | --from is 0.0",
        "lr-find --from 1 --to 0.1    | --to is 0.1",
        "lr-find --steps 1            | --steps is 1",
        "lr-find --batch 0            | --batch is 0",
        "lr-find --plot x.bmp         | --plot is 'x.bmp'",
        "lr-find --data nope          | --data is 'nope'",
      })
  void refuses(String arguments, String message) {
    CommandRun run = run(arguments.trim().split(" +"));
    assertEquals(2, run.exitCode(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }
}
