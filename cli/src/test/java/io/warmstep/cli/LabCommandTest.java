package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The command {@code lab}: what it refuses, what it prints, and what an interruption leaves. */
class LabCommandTest {
  @TempDir Path folder;

  private CommandRun lab(String... options) {
    String[] arguments = new String[options.length + 4];
    arguments[0] = "lab";
    arguments[1] = "--quick";
    System.arraycopy(options, 0, arguments, 2, options.length);
    arguments[options.length + 2] = "--out";
    arguments[options.length + 3] = folder.resolve("out").toString();
    return run(arguments);
  }

  private void assertRefused(String message, String... options) {
    CommandRun run = lab(options);
    assertEquals(2, run.exitCode(), run.err());
    assertTrue(run.err().contains(message), run.err());
    assertFalse(Files.exists(folder.resolve("out")), "nothing is left behind");
  }

  private String csv(String name, List<String> lines) throws IOException {
    return Files.write(folder.resolve(name), lines).toString();
  }

  /** Two classes that differ in their first column; the second is constant. */
  private String learnable(int rows) throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    String[] lines = new String[rows];
    for (int i = 0; i < rows; i++) {
      lines[i] = (i % 2 + random.nextDouble()) + ",7," + i % 2;
    }
    return csv("learnable.csv", List.of(lines));
  }

  @Test
  void refusesDataThatSayNothing() throws IOException {
    assertRefused("3 rows, too few", "--data", csv("few.csv", List.of("1,0", "2,1", "3,0")));
    String[] constant = new String[40];
    for (int i = 0; i < constant.length; i++) {
      constant[i] = "1,2," + i % 2;
    }
    assertRefused("the same features in every row", "--data", csv("same.csv", List.of(constant)));
  }

  @Test
  void refusesDataThatAreNoTable() throws IOException {
    CommandRun one = lab("--data", csv("one.csv", List.of("1,0", "2,0", "3,0")));
    assertEquals(1, one.exitCode());
    assertTrue(one.err().contains("at least two"), one.err());
    CommandRun nan = lab("--data", csv("nan.csv", List.of("1,0", "NaN,1", "3,0")));
    assertEquals(1, nan.exitCode());
    assertTrue(nan.err().contains("nan.csv, line 2: column 1 is 'NaN'"), nan.err());
    assertRefused("which is no file", "--data", "no-such.csv");
  }

  @Test
  void refusesOptionsThatDoNotFit() throws IOException {
    String data = learnable(40);
    assertRefused("exclude each other", "--thorough", "--data", data);
    assertRefused("--map is 'depth', must be one of weight-decay", "--map", "depth");
    assertRefused(
        "--map is momentum, which rule sgd does not have", "--map", "momentum", "--rule", "sgd");
    assertRefused("--threads is 0", "--threads", "0");
    assertRefused("--batch is 0", "--batch", "0", "--data", data);
    assertRefused("--hidden is 0", "--hidden", "0", "--data", data);
    assertRefused("--rule is 'nope'", "--rule", "nope");
    assertRefused("--train-fraction is 1.0", "--train-fraction", "1", "--data", data);
  }

  @Test
  void leavesOtherPeoplesFoldersAlone() throws IOException {
    String data = learnable(40);
    Path taken = Files.createDirectory(folder.resolve("taken"));
    Files.writeString(taken.resolve("thesis.tex"), "years of work");
    CommandRun files = run("lab", "--quick", "--data", data, "--out", taken.toString());
    assertEquals(2, files.exitCode());
    assertTrue(files.err().contains("files that are no lab's, such as thesis.tex"), files.err());
    assertEquals("years of work", Files.readString(taken.resolve("thesis.tex")));

    Path file = taken.resolve("thesis.tex");
    CommandRun unnamed = run("lab", "--quick", "--data", data, "--out", "");
    assertTrue(unnamed.err().contains("--out is '', must be the name of a folder"), unnamed.err());
    CommandRun isFile = run("lab", "--quick", "--data", data, "--out", file.toString());
    assertTrue(isFile.err().contains("this is a file"), isFile.err());
    CommandRun below = run("lab", "--quick", "--data", data, "--out", file.resolve("x").toString());
    assertEquals(2, below.exitCode());
    assertTrue(below.err().contains("nothing can be written there"), below.err());
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void refusesAFolderWithoutPermission() throws IOException {
    Path closed = Files.createDirectory(folder.resolve("closed"));
    assertTrue(closed.toFile().setWritable(false));
    Assumptions.assumeFalse(Files.isWritable(closed), "root may write anywhere");
    CommandRun run = run("lab", "--quick", "--data", learnable(40), "--out", closed.toString());
    assertEquals(2, run.exitCode());
    assertTrue(run.err().contains("nothing can be written there"), run.err());
  }

  @Test
  void aWholeLabOnATableWithAConstantColumn() throws IOException {
    CommandRun run =
        lab("--data", learnable(60), "--hidden", "2", "--batch", "8", "--json", "--seed", "5");
    JsonObject summary = run.json();
    assertEquals("learnable.csv", summary.get("data").getAsString());
    assertEquals(5, summary.get("seed").getAsLong());
    assertTrue(summary.get("complete").getAsBoolean());
    JsonObject lab =
        JsonParser.parseString(Files.readString(folder.resolve("out/lab.json"))).getAsJsonObject();
    for (String name : List.of("suggested_rate", "low", "high", "verdict", "seed", "bits")) {
      assertEquals(summary.get(name), lab.get(name), name);
    }
    assertTrue(Files.size(folder.resolve("out/index.html")) > 400_000);
  }

  /** A process of its own, ended as the system ends it: it writes what it has. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void anInterruptionKeepsWhatIsFinished() throws Exception {
    Path out = folder.resolve("out");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "io.warmstep.cli.Main",
                "lab",
                "--thorough",
                "--data",
                learnable(60),
                "--hidden",
                "2",
                "--out",
                out.toString())
            .redirectErrorStream(true)
            .start();
    StringBuilder printed = new StringBuilder();
    try (var reader = process.inputReader()) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        printed.append(line).append('\n');
        if (line.startsWith("rate against")) { // the range test and the real runs are done
          process.toHandle().destroy(); // Process.destroy would close the stream, too
        }
      }
    }
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), printed.toString());
    assertEquals(128 + 15, process.exitValue(), printed.toString());
    assertTrue(
        printed.toString().contains("Interrupted: wrote what was finished"), printed.toString());
    JsonObject lab =
        JsonParser.parseString(Files.readString(out.resolve("lab.json"))).getAsJsonObject();
    assertFalse(lab.get("complete").getAsBoolean());
    assertTrue(lab.get("suggested_rate").getAsDouble() > 0);
    assertTrue(Files.exists(out.resolve("csv/range-test.csv")));
  }
}
