package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.schedule.FitVerdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code train} learns, prints and draws. */
class TrainCommandTest {
  @TempDir Path folder;

  private static JsonObject train(String... options) {
    return run(Stream.concat(Stream.of("train", "--json"), Arrays.stream(options))
            .toArray(String[]::new))
        .json();
  }

  /** A step sees as many rows in one minibatch as in several, but for the rounding of sums. */
  @Test
  void accumulatedMinibatchesAreOneOfAllTheirRows() {
    // 455 rows: each epoch ends with 7 rows of a minibatch, by which the means differ.
    String[] common = {"--data", "breast-cancer", "--epochs", "2", "--hidden", "8"};
    JsonObject whole = train(with(common, "--batch", "64"));
    JsonObject parts = train(with(common, "--batch", "16", "--accumulate", "4"));
    assertEquals(4, parts.get("accumulate").getAsInt());
    assertEquals(whole.get("steps"), parts.get("steps"));
    assertEquals(
        whole.get("train_loss").getAsDouble(), parts.get("train_loss").getAsDouble(), 0.02);
    JsonObject small = train(with(common, "--batch", "16"));
    assertTrue(small.get("steps").getAsLong() > 3 * parts.get("steps").getAsLong());
    JsonObject clipped =
        train(with(common, "--batch", "16", "--accumulate", "4", "--clip-norm", "1e9"));
    assertEquals(parts.get("bits"), clipped.get("bits"));
    assertEquals(2, run("train", "--accumulate", "0").exitCode());
    assertTrue(
        run("train", "--accumulate", "-1")
            .err()
            .contains("--accumulate is -1, must be at least 1"));
  }

  private static String[] with(String[] common, String... options) {
    return Stream.concat(Arrays.stream(common), Arrays.stream(options)).toArray(String[]::new);
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
            "accumulate",
            "seed",
            "rule",
            "hyperparameters",
            "clip_norm",
            "adaptive_clip",
            "dtype",
            "gradients",
            "master",
            "state",
            "small_tensor",
            "rounding",
            "average",
            "lr",
            "schedule",
            "warmup",
            "bits",
            "steps",
            "train_loss",
            "test_loss",
            "train_accuracy",
            "test_accuracy",
            "baselines",
            "fit",
            "reason",
            "notes",
            "best_epoch",
            "seconds",
            "steps_per_second"),
        result.keySet());
    assertEquals("cpu", result.get("backend").getAsString());
    assertEquals("adam", result.get("rule").getAsString());
    assertEquals("appropriate", result.get("fit").getAsString());
    assertEquals(0, result.getAsJsonArray("notes").size(), result.toString());
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.97, result.toString());
  }

  /** The output says which number of a class is which name. */
  @Test
  void classesMayBeNames(@TempDir Path folder) throws IOException {
    StringBuilder rows = new StringBuilder("x,y,colour\n");
    for (int i = 0; i < 30; i++) {
      rows.append(i % 3).append(',').append(i % 2).append(',');
      rows.append(new String[] {"red", "blue", "green"}[i % 3]).append('\n');
    }
    String file = Files.writeString(folder.resolve("colours.csv"), rows).toString();
    CommandRun run = CommandRun.run("train", "--data", file, "--epochs", "30", "--batch", "4");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(
        run.out().lines().toList().contains("classes: 0 = blue, 1 = green, 2 = red"), run.out());
    JsonObject json = train("--data", file, "--epochs", "30", "--batch", "4");
    assertEquals(JsonParser.parseString("[\"blue\", \"green\", \"red\"]"), json.get("classes"));
    assertEquals(1, json.get("test_accuracy").getAsDouble());
    assertFalse(train("--epochs", "1").has("classes"), "digits have no names");
  }

  /** The settings that a run prints are those that it ran with, and give the same run again. */
  @Test
  void jsonHasTheSettings() {
    JsonObject printed =
        train(
            ("--data breast-cancer --train-fraction 0.5 --hidden 16,8 --epochs 3 --batch 10 --seed 7"
                    + " --rule adamw --betas 0.8,0.99 --weight-decay 0.1 --clip-norm 2"
                    + " --adaptive-clip 0.02 --lr 0.01"
                    + " --schedule wsd --warmup 5 --dtype bfloat16 --master --state bfloat16"
                    + " --small-tensor 240 --rounding stochastic")
                .split(" "));
    String settings =
        """
        {"backend": "cpu", "data": "breast-cancer", "train_fraction": 0.5, "hidden": [16, 8],
         "epochs": 3, "batch": 10, "accumulate": 1, "seed": 7, "rule": "adamw", "hyperparameters": {"beta1": 0.8,
         "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "decoupled": true, "amsgrad": false,
         "caution": false, "maximize": false}, "clip_norm": 2.0, "adaptive_clip": 0.02, "lr": 0.01, "schedule": "wsd", "warmup": "linear:5",
         "dtype": "bfloat16", "master": "exact", "state": "bfloat16", "small_tensor": 240,
         "rounding": "stochastic"}
        """;
    JsonObject expected = JsonParser.parseString(settings).getAsJsonObject();
    expected.keySet().forEach(name -> assertEquals(expected.get(name), printed.get(name), name));

    JsonObject defaults = train("--epochs", "2");
    assertEquals("none", defaults.get("master").getAsString());
    assertTrue(defaults.get("clip_norm").isJsonNull(), defaults.toString());
    assertTrue(defaults.get("adaptive_clip").isJsonNull(), defaults.toString());
    JsonObject again =
        train(
            "--epochs",
            "2",
            "--lr",
            defaults.get("lr").getAsString(),
            "--schedule",
            defaults.get("schedule").getAsString(),
            "--warmup",
            defaults.get("warmup").getAsString());
    assertEquals(defaults.get("test_loss"), again.get("test_loss"));
  }

  /** bfloat16 alone loses small updates; masters and random rounding make up for it. */
  @Test
  void halfPrecisionLearns() {
    double full = loss("float32");
    assertTrue(loss("bfloat16") > 1.08 * full, "rounded to nearest");
    assertEquals(full, loss("bfloat16", "--master"), 0.01 * full, "with masters");
    assertEquals(full, loss("bfloat16", "--master", "24bit"), 0.01 * full, "of 24 bits");
    assertEquals(full, loss("bfloat16", "--rounding", "stochastic"), 0.01 * full, "at random");
  }

  /** Rounding gradients changes little; keeping those of bfloat16 parameters whole does too. */
  @Test
  void gradientsMayBeOfAnotherType() {
    JsonObject narrow = train("--epochs", "5", "--gradients", "bfloat16");
    JsonObject plain = train("--epochs", "5");
    assertEquals("bfloat16", narrow.get("gradients").getAsString());
    assertEquals("float32", plain.get("gradients").getAsString());
    assertNotEquals(plain.get("bits"), narrow.get("bits"));
    double loss = plain.get("train_loss").getAsDouble();
    assertEquals(loss, narrow.get("train_loss").getAsDouble(), 0.05 * loss);
    JsonObject shared = train("--epochs", "5", "--gradients", "bfloat16", "--workers", "2");
    JsonObject alone = train("--epochs", "5", "--gradients", "bfloat16", "--workers", "1");
    assertEquals(alone.get("bits"), shared.get("bits"));
    double masters = loss("bfloat16", "--master", "--gradients", "float32");
    assertNotEquals(loss("bfloat16", "--master"), masters);
  }

  private static double loss(String type, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of("--epochs", "5", "--rule", "sgd", "--lr", "0.003", "--dtype", type));
    arguments.addAll(List.of(more));
    return train(arguments.toArray(String[]::new)).get("train_loss").getAsDouble();
  }

  @Test
  void stateInEightBitsLearns() {
    JsonObject small = train("--epochs", "3", "--hidden", "16");
    assertEquals("float32", small.get("state").getAsString());
    assertEquals(4096, small.get("small_tensor").getAsLong());
    JsonObject coded =
        train("--epochs", "3", "--hidden", "16", "--state", "int8", "--small-tensor", "0");
    assertEquals("int8", coded.get("state").getAsString());
    assertEquals(0, coded.get("small_tensor").getAsLong());
    double full = small.get("train_loss").getAsDouble();
    double loss = coded.get("train_loss").getAsDouble();
    assertNotEquals(full, loss);
    assertEquals(full, loss, 0.05 * full);
  }

  @Test
  void formsOfARuleAreNamed() {
    JsonObject plain = train("--epochs", "2", "--rule", "adamw");
    JsonObject form =
        train("--epochs", "2", "--rule", "adamw", "--caution", "--lookahead", "3,0.8");
    JsonObject hyperparameters = form.getAsJsonObject("hyperparameters");
    assertTrue(hyperparameters.get("caution").getAsBoolean(), form.toString());
    assertEquals(3, hyperparameters.get("lookahead_k").getAsInt());
    assertEquals(0.8, hyperparameters.get("lookahead_alpha").getAsDouble());
    JsonObject cautious = train("--epochs", "2", "--rule", "adamw", "--caution");
    assertNotEquals(plain.get("train_loss"), cautious.get("train_loss"));
    assertNotEquals(form.get("train_loss"), cautious.get("train_loss"));
    JsonObject without = train("--epochs", "2", "--rule", "adamw", "--caution=false");
    assertEquals(plain.get("train_loss"), without.get("train_loss"));
    CommandRun run = run("train", "--epochs", "1", "--rule", "lion", "--caution", "--lookahead");
    assertTrue(
        run.out().contains("lion with caution, Lookahead 5,0.5 at 0.0005, cosine"), run.out());
  }

  /** An average of late, noisy steps tests no worse than the last of them. */
  @Test
  void averagesAreEvaluated() {
    String[] noisy = {"--epochs", "6", "--rule", "sgd", "--lr", "0.5", "--schedule", "constant"};
    List<String> averaged = new ArrayList<>(List.of(noisy));
    averaged.addAll(List.of("--average", "0.99"));
    JsonObject last = train(noisy);
    JsonObject average = train(averaged.toArray(String[]::new));
    assertEquals(0.99, average.get("average").getAsDouble());
    assertTrue(
        average.get("test_loss").getAsDouble() < last.get("test_loss").getAsDouble(),
        average + " against " + last);
  }

  /** 64 columns and 16 units are 1024 weights. */
  @Test
  void stateTypesOfSmallTensorsAloneAreRefused() {
    for (String options :
        List.of(
            "--state int8",
            "--state bfloat16 --rounding stochastic",
            "--state bfloat16 --workers 2",
            "--state int8 --lr 0.1,0.01")) {
      List<String> arguments = new ArrayList<>(List.of("train", "--hidden", "16"));
      arguments.addAll(List.of(options.split(" ")));
      CommandRun run = CommandRun.run(arguments.toArray(String[]::new));
      assertEquals(2, run.exitCode(), options);
      assertTrue(
          run.err()
              .contains(
                  ", must be float32 for parameters of fewer than 4096 elements, as all are that it"
                      + " is for, the largest with 1024: pass a --small-tensor of at most 1024, or"
                      + " leave it out"),
          run.err());
      assertTrue(run.err().contains("--state is "), run.err());
      assertEquals("", run.out(), "before a word of the training");
    }
  }

  @Test
  void aThresholdIsForAStateType() {
    CommandRun run = CommandRun.run("train", "--small-tensor", "5");
    assertEquals(2, run.exitCode());
    assertTrue(
        run.err()
            .contains(
                "--small-tensor is 5, must be 4096, the default, with --state float32, which it"
                    + " does not change: leave it out, or give --state bfloat16 or int8"),
        run.err());
    assertEquals(0, CommandRun.run("train", "--epochs", "1", "--small-tensor", "4096").exitCode());
  }

  @Test
  void wishesThatCannotBeHadNameTheOption() {
    CommandRun masters = CommandRun.run("train", "--epochs", "1", "--master");
    assertEquals(2, masters.exitCode());
    assertTrue(masters.err().contains("--master is exact, must be none for"), masters.err());
    assertEquals("", masters.out(), "before a word of the training");
    CommandRun short24 = CommandRun.run("train", "--dtype", "float16", "--master", "24bit");
    assertEquals(2, short24.exitCode());
    assertTrue(short24.err().contains("--master is 24bit, must be exact or none"), short24.err());
    CommandRun state = CommandRun.run("train", "--rule", "sgd", "--state", "bfloat16");
    assertTrue(state.err().contains("--state is bfloat16, must be float32 for"), state.err());
    CommandRun gradients = CommandRun.run("train", "--dtype", "float16", "--gradients", "bfloat16");
    assertEquals(2, gradients.exitCode());
    assertTrue(
        gradients.err().contains("--gradients is bfloat16, must be float16 like the values"),
        gradients.err());
    CommandRun average = CommandRun.run("train", "--average", "0");
    assertTrue(average.err().contains("--average is 0.0, must be in (0, 1): "), average.err());
    CommandRun unknown = CommandRun.run("train", "--rounding", "up");
    assertTrue(
        unknown.err().contains("--rounding is 'up', must be one of nearest, stochastic"),
        unknown.err());
    assertEquals("", unknown.out(), "before a word of the training");
  }

  @ParameterizedTest
  @CsvSource({
    "digits,        1e-6, under-fitting, the learning rate may be too low",
    "digits,        1,    under-fitting, the learning rate may be too high",
    "breast-cancer, 3e-4, appropriate,   ''",
    "breast-cancer, 3e-3, appropriate,   early stopping may do better",
    "breast-cancer, 1,    under-fitting, the learning rate may be too high",
  })
  void aLowARightAndAHighRateAreReported(String data, String rate, String fit, String note) {
    String[] options = {"--data", data, "--lr", rate, "--epochs", "15", "--schedule", "constant"};
    JsonObject result = train(options);
    assertEquals(fit, result.get("fit").getAsString(), result.toString());
    String notes = result.get("notes").toString();
    assertTrue(note.isEmpty() ? notes.equals("[]") : notes.contains(note), notes);
    String text =
        run(Stream.concat(Stream.of("train"), Arrays.stream(options)).toArray(String[]::new)).out();
    assertTrue(text.contains("\nfit: " + fit + "\n  the "), text);
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
    JsonObject result =
        rule.equals("rprop") // with one step an epoch
            ? train("--rule", rule)
            : train("--rule", rule, "--epochs", "15");
    assertEquals(rule, result.get("rule").getAsString());
    assertTrue(result.get("test_accuracy").getAsDouble() >= 0.93, result.toString());
  }

  /** Rprop takes signs to be those of the full gradient, unless told otherwise. */
  @Test
  void whatIsForFullBatchesTakesAllRowsAtOnce() {
    JsonObject rprop = train("--rule", "rprop", "--epochs", "2", "--lookahead");
    assertEquals(2, rprop.get("steps").getAsInt());
    int rows = rprop.get("batch").getAsInt();
    JsonObject explicit =
        train("--rule", "rprop", "--epochs", "2", "--lookahead", "--batch", "" + rows);
    assertEquals(rprop.get("bits"), explicit.get("bits"));
    JsonObject less =
        train("--rule", "rprop", "--epochs", "2", "--lookahead", "--batch", "" + (rows - 1));
    assertEquals(4, less.get("steps").getAsInt());
    JsonObject adam = train("--epochs", "1");
    assertEquals(16, adam.get("batch").getAsInt());
    assertEquals((rows + 15) / 16, adam.get("steps").getAsInt());
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
        "--adaptive-clip 0.001",
        "--lookahead",
        "--lookahead 2,0.9",
        "--hidden 16,8",
        "--batch 100",
        "--train-fraction 0.5",
        "--lr 0.001",
        "--data breast-cancer"
      })
  void everyOptionHasAnEffect(String options) {
    String[] arguments = ("--epochs 2 " + options).split(" ");
    assertNotEquals(lossWithoutOptions(), train(arguments).get("train_loss"));
  }

  private static JsonElement withoutOptions; // of a run of two epochs, once for all options

  private static JsonElement lossWithoutOptions() {
    if (withoutOptions == null) {
      withoutOptions = train("--epochs", "2").get("train_loss");
    }
    return withoutOptions;
  }

  @ParameterizedTest
  @ValueSource(strings = {"run.png", "run.svg"})
  void plotIsWritten(String name) throws IOException {
    Path file = folder.resolve(name);
    CommandRun output = run("train", "--epochs", "2", "--plot", file.toString());
    assertEquals(0, output.exitCode(), output.err());
    assertTrue(Files.size(file) > 10_000);
    assertTrue(output.out().contains("plot: " + file), output.out());
  }

  @Test
  void summaryAndSparseProgressWithoutTerminal() {
    CommandRun output = run("train", "--epochs", "40", "--data", "breast-cancer");
    assertEquals(0, output.exitCode(), output.err());
    assertEquals("", output.err());
    assertEquals(10, output.out().lines().filter(line -> line.startsWith("epoch")).count());
    assertTrue(output.out().contains("\nfit: "), output.out());
  }

  @Test
  void helpStatesTheFitRule() {
    String help = run("train", "--help").out();
    assertTrue(help.contains("than " + FitVerdict.GAP + " of chance above it"), help);
    assertTrue(help.contains("more than " + FitVerdict.ACCURACY_GAP + " below the train"), help);
    assertTrue(help.contains("softmax"), help);
    assertTrue(help.contains("cosine-restarts") && help.contains("adamw"), help);
  }

  @Test
  void divergenceIsAnError() {
    CommandRun output = run("train", "--rule", "sgd", "--lr", "1e30", "--json");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("training diverged: the loss is NaN"), output.err());
    JsonObject json = JsonParser.parseString(output.out()).getAsJsonObject();
    assertTrue(output.err().contains(json.get("error").getAsString()), json.toString());
    assertEquals(1e30, json.get("lr").getAsDouble());
    assertFalse(json.has("fit"), json.toString());
    String text = run("train", "--rule", "sgd", "--lr", "1e30").out();
    assertFalse(text.contains("{") || text.contains("fit: "), text);
  }
}
