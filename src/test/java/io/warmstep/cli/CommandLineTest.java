package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What all commands share: wrong options, exit codes, lost output. */
class CommandLineTest {
  @TempDir Path folder;

  /** Options that are wrong, and a part of what the user is told. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tran                                      | Did you mean: warmstep train",
        "train --lrr 3                             | Possible solutions: --lr",
        "train --lr x                              | --lr is 'x', must be numbers",
        "train --epochs abc                        | --epochs is 'abc', must be a whole number",
        "train --epochs 1.5                        | --epochs is '1.5', must be a whole number",
        "train --epochs 99999999999                | must be a whole number up to 2147483647",
        "train --seed x                            | --seed is 'x', must be a whole number",
        "train --hidden 8,x                        | --hidden is 'x', must be whole numbers",
        "train --betas 0.9,x                       | --betas is 'x', must be numbers",
        "bench --threads x                         | --threads is 'x', must be a whole number",
        "train --lr NaN                            | --lr is NaN, must be finite",
        "train --lr -1                             | --lr is -1.0, must be finite",
        "train --rule nope                         | --rule is 'nope', must be one of sgd",
        "train --momentum 0.9                      | --momentum is not for rule adam",
        "train --rule sgd --betas 0.9,0.99         | --betas is not for rule sgd",
        "train --betas 0.9                         | --betas is 0.9, must be two numbers",
        "train --betas 0.9,1                       | --betas: beta2 is 1.0, must be in [0",
        "train --weight-decay -1                   | --weight-decay is -1.0, must be",
        "train --rule rmsprop --momentum 1         | --momentum is 1.0, must be in [0, 1)",
        "train --clip-norm 0                       | --clip-norm is 0.0",
        "train --schedule nope                     | --schedule is 'nope', must be one of",
        "train --schedule one-cycle --warmup 5     | has a warm-up of its own",
        "train --schedule wsd --warmup cosine      | has a linear warm-up of its own",
        "train --warmup nope                       | --warmup is 'nope', must be none",
        "train --warmup untuned-linear:5           | takes no number of steps",
        "train --warmup linear:-5                  | --warmup is 'linear:-5', must be",
        "train --rule sgd --warmup untuned-linear  | needs a rule with a beta2",
        "train --warmup 99999                      | must be fewer than the run's 3600",
        "train --epochs 0                          | --epochs is 0, must be at least 1",
        "train --batch 0                           | --batch is 0, must be at least 1",
        "train --hidden 0                          | --hidden is 0, must be sizes",
        "train --hidden 2000000000                 | --hidden is 2000000000, must be",
        "train --train-fraction 1                  | --train-fraction is 1.0",
        "train --data nope                         | --data is 'nope', which is no file; must be digits",
        "train --plot run.pdf                      | --plot is 'run.pdf', but the file name must end in .png or .svg",
        "train --plot /proc/run.png                | --plot is '/proc/run.png', but no file can be created in /proc",
        "train --plot no/such/run.svg              | --plot is 'no/such/run.svg', but the folder",
        "train extra                               | 'extra'",
        "verify --dtype float32                    | --dtype needs --golden",
        "verify --golden x --dtype f               | must be float64 or float32",
      })
  void wrongCommandLineIsExplained(String arguments, String message) {
    CommandRun output = run(arguments.trim().split(" +"));
    assertEquals(2, output.exitCode(), output.err());
    assertEquals("", output.out());
    assertTrue(output.err().startsWith("warmstep: "), output.err());
    assertTrue(output.err().contains(message), output.err());
    assertTrue(output.err().contains("--help'"), output.err());
    assertFalse(output.err().contains("\tat "), output.err());
  }

  @Test
  void missingCommandIsExplained() {
    CommandRun output = run();
    assertEquals(2, output.exitCode());
    assertTrue(output.err().contains("a command is missing"), output.err());
  }

  @Test
  void malformedDataIsOneLineAndVerboseShowsTheTrace() throws IOException {
    Path file = folder.resolve("bad.csv");
    Files.writeString(file, "1,2,0\n3,4\n");
    CommandRun output = run("train", "--data", file.toString());
    assertEquals(1, output.exitCode());
    assertEquals(
        "warmstep: "
            + file
            + ", line 2: expected 3 values separated by commas (the features, then the class), found 2",
        output.err().strip());
    CommandRun verbose = run("train", "--verbose", "--data", file.toString());
    assertTrue(verbose.err().contains("\tat io.warmstep"), verbose.err());
  }

  /** In a process of its own, whose standard output takes nothing. */
  @ParameterizedTest
  @ValueSource(strings = {"devices --json", "train --epochs 1", "--help"})
  @EnabledOnOs(OS.LINUX)
  void lostOutputIsAnError(String arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
    command.addAll(List.of(arguments.split(" ")));
    Process process =
        new ProcessBuilder(command).redirectOutput(new java.io.File("/dev/full")).start();
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(1, process.waitFor(), err);
    assertTrue(err.contains("warmstep: standard output cannot be written"), err);
  }

  @Test
  void unknownBackendIsAnError() {
    CommandRun output = run("train", "--backend", "abacus");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("abacus") && output.err().contains("cpu"), output.err());
  }

  @Test
  void devicesListsTheCpu() {
    CommandRun table = run("devices");
    assertTrue(table.out().lines().anyMatch(line -> line.startsWith("cpu ")), table.out());
    assertTrue(table.out().contains("Devices.fastest() opens "), table.out());
    JsonElement cpu = null;
    for (JsonElement backend : run("devices", "--json").json().getAsJsonArray("backends")) {
      if (backend.getAsJsonObject().get("backend").getAsString().equals("cpu")) {
        cpu = backend;
      }
    }
    assertTrue(cpu != null && cpu.getAsJsonObject().get("usable").getAsBoolean());
    assertTrue(cpu.getAsJsonObject().get("bit_exact").getAsBoolean());
  }
}
