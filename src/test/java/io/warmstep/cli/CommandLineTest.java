package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.Fit;
import io.warmstep.cli.train.ScheduleChoice;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class CommandLineTest {
  private static final String GOLDEN = "src/test/resources/golden/optimizers.json";

  @TempDir Path folder;

  /** What a command gave. */
  private record Output(int exitCode, String out, String err) {
    JsonObject json() {
      assertEquals(0, exitCode, err);
      assertEquals("", err, "nothing but JSON");
      return JsonParser.parseString(out).getAsJsonObject();
    }
  }

  private static Output run(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commandLine = Main.commandLine();
    commandLine.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    commandLine.setColorScheme(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF));
    int exitCode = commandLine.execute(arguments);
    return new Output(exitCode, out.toString(), err.toString());
  }

  private static JsonObject train(String... options) {
    return run(Stream.concat(Stream.of("train", "--json"), Arrays.stream(options))
            .toArray(String[]::new))
        .json();
  }

  @Test
  void defaultsLearnTheDigits() {
    JsonObject result = train();
    assertEquals(
        Set.of(
            "backend",
            "data",
            "train_fraction",
            "hidden",
            "epochs",
            "batch",
            "seed",
            "rule",
            "hyperparameters",
            "clip_norm",
            "lr",
            "schedule",
            "warmup",
            "steps",
            "train_loss",
            "test_loss",
            "train_accuracy",
            "test_accuracy",
            "fit",
            "notes",
            "seconds",
            "steps_per_second"),
        result.keySet());
    assertEquals("cpu", result.get("backend").getAsString());
    assertEquals("adam", result.get("rule").getAsString());
    assertEquals("appropriate", result.get("fit").getAsString());
    assertEquals(0, result.getAsJsonArray("notes").size(), result.toString());
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.97, result.toString());
  }

  /** The settings that a run tells are those that it ran with, and give the same run again. */
  @Test
  void jsonTellsTheSettings() {
    JsonObject told =
        train(
            ("--data breast-cancer --train-fraction 0.5 --hidden 16,8 --epochs 3 --batch 10 --seed 7"
                    + " --rule adamw --betas 0.8,0.99 --weight-decay 0.1 --clip-norm 2 --lr 0.01"
                    + " --schedule wsd --warmup 5")
                .split(" "));
    String settings =
        """
        {"backend": "cpu", "data": "breast-cancer", "train_fraction": 0.5, "hidden": [16, 8],
         "epochs": 3, "batch": 10, "seed": 7, "rule": "adamw", "hyperparameters": {"beta1": 0.8,
         "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "decoupled": true, "amsgrad": false,
         "maximize": false}, "clip_norm": 2.0, "lr": 0.01, "schedule": "wsd", "warmup": "linear:5"}
        """;
    JsonObject expected = JsonParser.parseString(settings).getAsJsonObject();
    expected.keySet().forEach(name -> assertEquals(expected.get(name), told.get(name), name));

    JsonObject defaults = train("--epochs", "2");
    assertTrue(defaults.get("clip_norm").isJsonNull(), defaults.toString());
    JsonObject again =
        train(
            ("--epochs 2 --lr %s --schedule %s --warmup %s"
                    .formatted(
                        defaults.get("lr").getAsDouble(),
                        defaults.get("schedule").getAsString(),
                        defaults.get("warmup").getAsString()))
                .split(" "));
    assertEquals(defaults.get("test_loss"), again.get("test_loss"));
  }

  @ParameterizedTest
  @CsvSource({
    "digits,        1e-6, under-fitting, the learning rate may be too low",
    "digits,        1,    under-fitting, the learning rate may be too high",
    "breast-cancer, 3e-3, appropriate,   ''",
    "breast-cancer, 1,    over-fitting,  the learning rate may be too high",
  })
  void aLowARightAndAHighRateAreTold(String data, String rate, String fit, String note) {
    String[] options = {"--data", data, "--lr", rate, "--epochs", "15", "--schedule", "constant"};
    JsonObject result = train(options);
    assertEquals(fit, result.get("fit").getAsString(), result.toString());
    String notes = result.get("notes").toString();
    assertTrue(note.isEmpty() ? notes.equals("[]") : notes.contains(note), notes);
    String text =
        run(Stream.concat(Stream.of("train"), Arrays.stream(options)).toArray(String[]::new)).out();
    assertTrue(text.contains("\nfit: " + fit + "\n" + (note.isEmpty() ? "" : "  the ")), text);
    assertTrue(text.contains(note), text);
  }

  @Test
  void fewRowsAndManyEpochsAreOverFitting() {
    assertEquals(
        "over-fitting",
        train("--train-fraction", "0.03", "--epochs", "200").get("fit").getAsString());
  }

  @Test
  void seedDecidesTheLossesToTheLastDigit() {
    String[] losses = {"train_loss", "test_loss"};
    JsonObject first = train("--epochs", "3", "--seed", "5");
    JsonObject second = train("--epochs", "3", "--seed", "5");
    JsonObject other = train("--epochs", "3", "--seed", "6");
    for (String loss : losses) {
      assertEquals(first.get(loss), second.get(loss));
      assertNotEquals(first.get(loss), other.get(loss));
    }
  }

  static Stream<String> rules() {
    return NamedRules.names().stream();
  }

  @ParameterizedTest
  @MethodSource("rules")
  void everyRuleLearnsWithItsDefaultRate(String rule) {
    JsonObject result = train("--rule", rule, "--epochs", "15");
    assertEquals(rule, result.get("rule").getAsString());
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.93, result.toString());
  }

  static Stream<String> schedules() {
    return Arrays.stream(ScheduleChoice.values()).map(ScheduleChoice::toString);
  }

  @ParameterizedTest
  @MethodSource("schedules")
  void everyScheduleLearns(String schedule) {
    JsonObject result = train("--schedule", schedule, "--epochs", "12", "--data", "digits");
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.9, result.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "none",
        "0",
        "7",
        "linear",
        "linear:7",
        "exponential:7",
        "cosine:7",
        "untuned-linear",
        "untuned-exponential"
      })
  void everyWarmUpLearns(String warmUp) {
    JsonObject result = train("--warmup", warmUp, "--epochs", "12");
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.9, result.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--rule momentum --momentum 0.8",
        "--betas 0.8,0.99",
        "--weight-decay 0.1",
        "--clip-norm 0.01",
        "--hidden 16,8",
        "--batch 100",
        "--train-fraction 0.5",
        "--lr 0.001",
        "--data breast-cancer"
      })
  void everyOptionHasAnEffect(String options) {
    String[] arguments = ("--epochs 2 " + options).split(" ");
    assertNotEquals(train("--epochs", "2").get("train_loss"), train(arguments).get("train_loss"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"run.png", "run.svg"})
  void plotIsWritten(String name) throws IOException {
    Path file = folder.resolve(name);
    Output output = run("train", "--epochs", "2", "--plot", file.toString());
    assertEquals(0, output.exitCode(), output.err());
    assertTrue(Files.size(file) > 10_000);
    assertTrue(output.out().contains("plot: " + file), output.out());
  }

  @Test
  void summaryAndSparseProgressWithoutTerminal() {
    Output output = run("train", "--epochs", "40", "--data", "breast-cancer");
    assertEquals(0, output.exitCode(), output.err());
    assertEquals("", output.err());
    assertEquals(10, output.out().lines().filter(line -> line.startsWith("epoch")).count());
    assertTrue(output.out().contains("\nfit: "), output.out());
  }

  @Test
  void helpStatesTheFitRule() {
    String help = run("train", "--help").out();
    assertTrue(help.contains("training accuracy below " + Fit.MIN_TRAIN_ACCURACY), help);
    assertTrue(help.contains("more than " + Fit.MAX_ACCURACY_GAP + " above test accuracy"), help);
    assertTrue(help.contains("more than " + Fit.MAX_LOSS_FACTOR + " times its least"), help);
    assertTrue(help.contains("cosine-restarts") && help.contains("adamw"), help);
  }

  /** Options that are wrong, and a part of what the user is told. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tran                                      | Did you mean: warmstep train",
        "train --lrr 3                             | Possible solutions: --lr",
        "train --lr x                              | --lr is 'x', must be a number",
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
    Output output = run(arguments.trim().split(" +"));
    assertEquals(2, output.exitCode(), output.err());
    assertEquals("", output.out());
    assertTrue(output.err().startsWith("warmstep: "), output.err());
    assertTrue(output.err().contains(message), output.err());
    assertTrue(output.err().contains("--help'"), output.err());
    assertFalse(output.err().contains("\tat "), output.err());
  }

  @Test
  void missingCommandIsExplained() {
    Output output = run();
    assertEquals(2, output.exitCode());
    assertTrue(output.err().contains("a command is missing"), output.err());
  }

  @Test
  void malformedDataIsOneLineAndVerboseShowsTheTrace() throws IOException {
    Path file = folder.resolve("bad.csv");
    Files.writeString(file, "1,2,0\n3,4\n");
    Output output = run("train", "--data", file.toString());
    assertEquals(1, output.exitCode());
    assertEquals(
        "warmstep: "
            + file
            + ", line 2: expected 3 values separated by commas (the features, then the class), found 2",
        output.err().strip());
    Output verbose = run("train", "--verbose", "--data", file.toString());
    assertTrue(verbose.err().contains("\tat io.warmstep"), verbose.err());
  }

  @Test
  void divergenceIsAnError() {
    Output output = run("train", "--rule", "sgd", "--lr", "1e30", "--json");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("training diverged: the loss is NaN"), output.err());
    JsonObject json = JsonParser.parseString(output.out()).getAsJsonObject();
    assertTrue(output.err().contains(json.get("error").getAsString()), json.toString());
    assertEquals(1e30, json.get("lr").getAsDouble());
    assertFalse(json.has("fit"), json.toString());
    assertEquals(
        "",
        run("train", "--rule", "sgd", "--lr", "1e30", "--epochs", "1")
            .out()
            .lines()
            .filter(line -> line.startsWith("fit") || line.startsWith("{"))
            .findAny()
            .orElse(""));
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
    Output output = run("train", "--backend", "abacus");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("abacus") && output.err().contains("cpu"), output.err());
  }

  @Test
  void devicesListsTheCpu() {
    Output table = run("devices");
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

  @Test
  void verifyComparesTheCpuBitForBit() {
    JsonObject result = run("verify", "--backend", "cpu", "--json").json();
    assertEquals(Set.of("backends", "unusable"), result.keySet());
    assertEquals(0, result.getAsJsonArray("unusable").size());
    assertEquals(1, result.getAsJsonArray("backends").size());
    JsonObject cpu = result.getAsJsonArray("backends").get(0).getAsJsonObject();
    assertEquals(
        Set.of("name", "device", "bit_exact", "values_compared", "mismatches"), cpu.keySet());
    assertEquals("cpu", cpu.get("name").getAsString());
    assertTrue(cpu.get("bit_exact").getAsBoolean());
    assertTrue(cpu.get("values_compared").getAsLong() > 50_000_000, cpu.toString());
    assertEquals(0, cpu.get("mismatches").getAsLong());
  }

  @Test
  void verifyFailsOnAnUnknownBackend() {
    Output output = run("verify", "--backend", "abacus");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("abacus"), output.err());
  }

  @ParameterizedTest
  @CsvSource({"float64, 1e-12", "float32, 1e-5"})
  void verifyPassesOnPyTorchsTrajectories(String type, double tolerance) {
    JsonObject result =
        run("verify", "--golden", GOLDEN, "--backend", "cpu", "--dtype", type, "--json").json();
    int cases = result.getAsJsonArray("cases").size();
    assertTrue(cases >= 36, "cases " + cases);
    assertEquals(48, cases + result.getAsJsonArray("skipped").size());
    for (JsonElement element : result.getAsJsonArray("cases")) {
      JsonObject one = element.getAsJsonObject();
      assertEquals(
          Set.of("name", "backend", "dtype", "max_relative_error", "passed"), one.keySet());
      assertEquals(type, one.get("dtype").getAsString());
      assertTrue(one.get("passed").getAsBoolean(), one.toString());
      assertTrue(one.get("max_relative_error").getAsDouble() <= tolerance, one.toString());
    }
  }

  private Path golden(String hyper, String optimizer, String params, String state)
      throws IOException {
    Path file = folder.resolve("golden.json");
    Files.writeString(
        file,
        """
        {"initial": [1.0, -2.0], "streams": {"s": [[0.5, 0.25]]},
         "cases": [{"name": "c", "optimizer": "%s", "hyper": %s, "stream": "s",
                    "snapshots": [{"step": 1, "params": %s, "state": %s}]}]}
        """
            .formatted(optimizer, hyper, params, state));
    return file;
  }

  @Test
  void verifyFailsOnAWrongValue() throws IOException {
    Path right = golden("{\"lr\": 0.5}", "SGD", "[0.75, -2.125]", "{}");
    assertEquals(0, run("verify", "--backend", "cpu", "--golden", right.toString()).exitCode());
    Path wrong = golden("{\"lr\": 0.5}", "SGD", "[0.75, -2.1250001]", "{}");
    Output output = run("verify", "--backend", "cpu", "--golden", wrong.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.out().contains("FAILED"), output.out());
    assertTrue(output.out().contains("0 passed, 1 failed, 0 skipped"), output.out());
  }

  @Test
  void verifyFailsOnAMissingState() throws IOException {
    Path file = golden("{\"lr\": 0.5}", "SGD", "[0.75, -2.125]", "{\"buffer\": [0, 0]}");
    Output output = run("verify", "--backend", "cpu", "--golden", file.toString(), "--json");
    assertEquals(1, output.exitCode());
    JsonObject one =
        JsonParser.parseString(output.out())
            .getAsJsonObject()
            .getAsJsonArray("cases")
            .get(0)
            .getAsJsonObject();
    assertTrue(one.get("max_relative_error").isJsonNull(), one.toString());
    assertFalse(one.get("passed").getAsBoolean());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"lr\": 0.5}                  | Sorcery | there is no rule Sorcery",
        "{\"lr\": 0.5, \"magic_x\": 1}  | Adam    | rule adam has no magicX",
        "{}                             | Adam    | has no learning rate",
      })
  void verifyNamesWhatItSkipsAndIsNoSuccessWithoutACase(
      String hyper, String optimizer, String reason) throws IOException {
    Path file = golden(hyper, optimizer, "[0, 0]", "{}");
    Output output = run("verify", "--golden", file.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.out().contains("skipped: "), output.out());
    assertTrue(output.out().contains(reason), output.out());
    assertTrue(
        output.out().contains("1 skipped (they need what this version does not have)"),
        output.out());
    assertTrue(output.err().contains("no case"), output.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{                                          | not valid JSON",
        "''                                         | not a golden file",
        "[1]                                        | expected an object",
        "{\"initial\": [1]}                         | has no \"streams\"",
        "{\"initial\": [1], \"streams\": {\"s\": [[1, 2]]}} | is 2 values long, must be 1 like",
        "{\"initial\": [\"x\"], \"streams\": {}}    | expected a number",
        "{\"initial\": [1], \"streams\": {}, \"cases\": [{}]} | a case has no \"name\"",
      })
  void malformedGoldenFileIsExplained(String content, String message) throws IOException {
    Path file = folder.resolve("golden.json");
    Files.writeString(file, content);
    Output output = run("verify", "--golden", file.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.err().startsWith("warmstep: " + file + ": "), output.err());
    assertTrue(output.err().contains(message), output.err());
    assertEquals(1, output.err().lines().count(), output.err());
  }
}
