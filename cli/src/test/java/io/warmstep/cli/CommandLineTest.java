package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Lars;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

  /** Options that are wrong, and a part of the message. */
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
        "train --adaptive-clip -1                  | --adaptive-clip is -1.0, must be finite and above 0",
        "train --rule lamb --adaptive-clip 0.1     | --adaptive-clip is not for rule lamb",
        "lr-find --rule muon --adaptive-clip 0.1   | --adaptive-clip is not for rule muon",
        "bench --adaptive-clip 0                   | --adaptive-clip is 0.0, must be finite and above 0",
        "bench --rule novograd --adaptive-clip 0.1 | --adaptive-clip is not for rule novograd",
        "bench --full-step --adaptive-clip 0.1     | --adaptive-clip is for a step without --full-step",
        "train --caution                           | --caution is true, must be false with weight decay",
        "train --rule sgd --caution                | --caution is not for rule sgd, but for lion, nadamw, adamw",
        "bench --rule lamb --caution               | --caution is not for rule lamb",
        "train --caution --adaptive-clip 0.1 --rule lion | --adaptive-clip is not for rule lion with --caution,",
        "train --lookahead 5                       | --lookahead is '5', must be none, or a number of",
        "train --lookahead 0,0.5                   | --lookahead: k is 0, must be at least 1",
        "bench --lookahead 5,1.5                   | --lookahead: alpha is 1.5, must be above 0",
        "train --rule asgd --lookahead             | --lookahead: rule is asgd, must be one whose",
        "bench --rule adafactor --lookahead 2,0.5  | --lookahead: rule is adafactor, must be one",
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
        "train --data nop\uFFFD                    | which is not in the encoding of file names",
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

  /** What a user without a locale gives and the JVM cannot decode, in a process of its own. */
  @ParameterizedTest
  @ValueSource(strings = {"train --data", "train --plot", "verify --golden"})
  @EnabledOnOs(OS.LINUX)
  void fileNamesBeyondTheLocaleAreExplained(String option) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
            "sh",
            "-c",
            "exec \"$0\" -cp \"$1\" %s %s \"$(printf 'd\\303\\244.csv')\""
                .formatted(Main.class.getName(), option),
            java().toString(),
            System.getProperty("java.class.path"));
    builder.environment().put("LC_ALL", "POSIX");
    Process process = builder.start();
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(2, process.waitFor(), err);
    assertTrue(
        err.contains(
            ".csv', which is not in the encoding of file names, ANSI_X3.4-1968: set LC_ALL to a"
                + " locale with UTF-8, such as C.UTF-8"),
        err);
  }

  private static Path java() {
    return Path.of(System.getProperty("java.home"), "bin", "java");
  }

  /** In a process of its own, whose standard output takes nothing. */
  @ParameterizedTest
  @ValueSource(strings = {"devices --json", "train --epochs 1", "--help"})
  @EnabledOnOs(OS.LINUX)
  void lostOutputIsAnError(String arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                java().toString(),
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

  /** The help names each rule where it has the hyperparameter, and none else. */
  @ParameterizedTest
  @CsvSource({"--momentum,momentum,momentum", "--betas,beta1,beta2"})
  void helpNamesTheRulesOfAnOption(String option, String first, String second) {
    String help = run("train", "--help").out();
    Matcher paragraph =
        Pattern.compile("^ +" + option + "=.*\\R(^ {20,}.*\\R)*", Pattern.MULTILINE).matcher(help);
    assertTrue(paragraph.find(), help);
    String text = paragraph.group().replaceAll("\\s+", " ");
    NamedRules.all()
        .forEach(
            (name, rule) -> {
              boolean has = RuleSettings.has(rule, first) && RuleSettings.has(rule, second);
              assertEquals(
                  has,
                  Pattern.compile("\\b" + name + " [0-9]").matcher(text).find(),
                  name + ": " + text);
            });
  }

  @ParameterizedTest
  @CsvSource({
    "train, --epochs 1 --data breast-cancer",
    "devices, ''",
    "verify, --backend cpu --golden src/test/resources/golden/optimizers.json"
  })
  void helpNamesEveryJsonField(String command, String arguments) {
    Set<String> fields = new TreeSet<>();
    addFields(run((command + " --json " + arguments).trim().split(" ")).json(), fields);
    String help = run(command, "--help").out().replaceAll("\\s+", " ");
    String described = help.substring(help.indexOf("Print one JSON object"));
    for (String field : fields) {
      assertTrue(Pattern.compile("\\b" + field + "\\b").matcher(described).find(), field);
    }
  }

  /** All but hyperparameters, which are the rule's. */
  private static void addFields(JsonObject object, Set<String> fields) {
    for (String name : object.keySet()) {
      fields.add(name);
      JsonElement value = object.get(name);
      if (value.isJsonArray()) {
        value
            .getAsJsonArray()
            .forEach(
                element -> {
                  if (element.isJsonObject()) {
                    addFields(element.getAsJsonObject(), fields);
                  }
                });
      }
    }
  }

  @Test
  void helpSaysWhichWeightDecayIsDecoupled() {
    String help = run("train", "--help").out().replaceAll("\\s+", " ");
    Matcher kinds =
        Pattern.compile(
                " L2 \\(lars scales it with the gradient, novograd adds it to the normalized one\\);"
                    + " decoupled for ([a-z, ]+); none for rprop\\. ")
            .matcher(help);
    assertTrue(kinds.find(), help);
    assertTrue(help.matches(".* Default: 0[^(]*, for adamw 0\\.01\\b.*"), help);
    List<String> decoupled = List.of(kinds.group(1).split(", "));
    assertTrue(decoupled.contains("adamw"), help);
    NamedRules.all()
        .forEach(
            (name, rule) -> {
              UpdateRule usual = name.equals("lars") ? Lars.lars().momentum(0.9) : rule;
              boolean hasOther =
                  usual.stateSlots().stream()
                      .anyMatch(slot -> slot.content() != StateSlot.Content.COPY);
              if (hasOther && !name.equals("rprop") && !name.equals("asgd")) {
                boolean isApart = state(usual.weightDecay(0)).equals(state(usual.weightDecay(0.5)));
                assertEquals(decoupled.contains(name), isApart, name);
              }
            });
  }

  /** What a step makes of state, without copies of weights: decoupled decay has no part in it. */
  private static Map<String, List<Double>> state(UpdateRule rule) {
    Map<String, List<Double>> state = new HashMap<>();
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device).add("w", new float[] {1, -2, 3, 4}).shape("w", 2, 2).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(0.1).build()) {
      parameters.get("w").gradients().copyFrom(new float[] {0.5f, 1, -1, 2});
      optimizer.step();
      for (StateSlot slot : rule.stateSlots(2)) {
        if (slot.isState() && slot.content() != StateSlot.Content.COPY) {
          state.put(
              slot.name(),
              Arrays.stream(optimizer.state("w", slot.name()).toDoubles()).boxed().toList());
        }
      }
    }
    return state;
  }

  @Test
  void unknownBackendIsAnError() {
    CommandRun output = run("train", "--backend", "abacus");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("abacus") && output.err().contains("cpu"), output.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "train --backend cpu:1 | there is no device cpu:1: this machine has cpu:0",
        "bench --backend cpu:1 | there is no device cpu:1: this machine has cpu:0",
        "verify --backend cpu: | device is 'cpu:', must be a backend and the number or the UUID",
      })
  void aDeviceThatIsNotThereIsAnError(String arguments, String message) {
    CommandRun output = run(arguments.trim().split(" "));
    assertEquals(1, output.exitCode(), output.err());
    assertTrue(output.err().startsWith("warmstep: " + message), output.err());
  }

  @Test
  void aDeviceIsNamedByItsNumber() {
    CommandRun output =
        run("bench", "--backend", "cpu:0", "--size", "1500", "--threads", "1", "--rounds", "1");
    assertEquals(0, output.exitCode(), output.err());
  }

  @Test
  void devicesListsTheCpu() {
    CommandRun table = run("devices");
    assertTrue(table.out().lines().anyMatch(line -> line.startsWith("cpu:0 ")), table.out());
    assertTrue(table.out().contains("Devices.fastest() opens "), table.out());
    JsonElement cpu = null;
    for (JsonElement backend : run("devices", "--json").json().getAsJsonArray("devices")) {
      if (backend.getAsJsonObject().get("backend").getAsString().equals("cpu")) {
        cpu = backend;
      }
    }
    assertTrue(cpu != null && cpu.getAsJsonObject().get("usable").getAsBoolean());
    assertTrue(cpu.getAsJsonObject().get("bit_exact").getAsBoolean());
  }
}
