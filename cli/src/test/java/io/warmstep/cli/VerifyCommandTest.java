package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code verify} passes and what it does not. */
class VerifyCommandTest {
  private static final String GOLDEN = "src/test/resources/golden/optimizers.json";
  private static final String MODERN = "src/test/resources/golden/modern.json";

  @TempDir Path folder;

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
  void verifyComparesLessOnRequest() {
    JsonObject result = run("verify", "--quick", "--backend", "cpu", "--json").json();
    JsonObject cpu = result.getAsJsonArray("backends").get(0).getAsJsonObject();
    long values = cpu.get("values_compared").getAsLong();
    assertTrue(values > 5_000_000 && values < 200_000_000, cpu.toString());
    assertTrue(cpu.get("bit_exact").getAsBoolean());
    CommandRun replayed = run("verify", "--quick", "--backend", "cpu", "--golden", GOLDEN);
    assertEquals(2, replayed.exitCode());
    assertTrue(replayed.err().contains("--quick is without --golden"), replayed.err());
  }

  @Test
  void verifyFailsOnAnUnknownBackend() {
    CommandRun output = run("verify", "--backend", "abacus");
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains("abacus"), output.err());
  }

  @ParameterizedTest
  @CsvSource({
    GOLDEN + ", float64, 1e-12, ",
    GOLDEN + ", float32, 1e-5, ",
    MODERN + ", float64, 1e-12, mars-adamw/random mars-adamw/one-dimensional"
  })
  void verifyPassesOnTheReferencesTrajectories(
      String file, String type, double tolerance, String withoutRule) throws IOException {
    JsonObject result =
        run("verify", "--golden", file, "--backend", "cpu", "--dtype", type, "--json").json();
    int cases = result.getAsJsonArray("cases").size();
    Set<String> skipped = new HashSet<>();
    result.getAsJsonArray("skipped").forEach(one -> skipped.add(one.getAsString()));
    assertEquals(withoutRule == null ? Set.of() : Set.of(withoutRule.split(" ", -1)), skipped);
    int inTheFile =
        JsonParser.parseString(Files.readString(Path.of(file)))
            .getAsJsonObject()
            .getAsJsonArray("cases")
            .size();
    assertEquals(inTheFile, cases + result.getAsJsonArray("skipped").size());
    for (JsonElement element : result.getAsJsonArray("cases")) {
      JsonObject one = element.getAsJsonObject();
      assertEquals(
          Set.of("name", "backend", "dtype", "max_relative_error", "passed"), one.keySet());
      assertEquals(type, one.get("dtype").getAsString());
      assertTrue(one.get("passed").getAsBoolean(), one.toString());
      // Digits cancel in how far parameters have come: the more, the smaller the first step size
      // is.
      double allowed =
          one.get("name").getAsString().equals("prodigy/default-d0") ? 100 * tolerance : tolerance;
      assertTrue(one.get("max_relative_error").getAsDouble() <= allowed, one.toString());
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
    CommandRun output = run("verify", "--backend", "cpu", "--golden", wrong.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.out().contains("FAILED"), output.out());
    assertTrue(output.out().contains("0 passed, 1 failed, 0 skipped"), output.out());
  }

  /** Two tensors under one rate: 1 is far smaller than the largest element of its tensor. */
  private Path several(String params, String state) throws IOException {
    Path file = folder.resolve("several.json");
    Files.writeString(
        file,
        """
        {"tensors": {"m": {"shape": [1, 2], "initial": [1.0, 4096.0]},
                     "b": {"shape": [1], "initial": [2.0]}, "unused": {"shape": [0], "initial": []}},
         "streams": {"s": {"m": [[0.5, 0], [0, 0]], "b": [[1], [1]], "unused": [[], []]}},
         "cases": [{"name": "c", "optimizer": "SGD", "hyper": {"momentum": 0.5, "nesterov": false},
                    "defaults": {"lr": 0.5}, "stream": "s", "tensors": ["m", "b"],
                    "snapshots": [{"step": 1, "params": %s, "state": %s, "group": {"k": 1}}]}]}
        """
            .formatted(params, state));
    return file;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'m': [0.75, 4096], 'b': [1.5]}            | [0.5, 0] | 1 passed, 0 failed",
        "{'m': [0.7500000001, 4096], 'b': [1.5]}    | [0.5, 0] | 1 passed, 0 failed",
        "{'m': [0.75000001, 4096], 'b': [1.5]}      | [0.5, 0] | 0 passed, 1 failed",
        "{'m': [0.75, 4096], 'b': [1.5000000001]}   | [0.5, 0] | 0 passed, 1 failed",
        "{'m': [0.75, 4096], 'b': [1.5]}            | [0.5, 1] | 0 passed, 1 failed",
        "{'m': [0.75, 4096], 'b': [1.5]}            | [0.5]    | 0 passed, 1 failed",
      })
  void severalTensorsAreComparedRelativeToTheLargestElementOfEach(
      String params, String buffer, String result) throws IOException {
    String state = "{\"m\": {\"step\": 1, \"momentum_buffer\": " + buffer + "}}";
    Path file = several(params.replace('\'', '"'), state);
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(result), output.out());
    assertEquals(result.startsWith("1") ? 0 : 1, output.exitCode(), output.err());
  }

  /** ASGD's rate and weight of the average, which are the group's: no tensor has them. */
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "1.000000001, 1, 0", "1, 0.5, 0"})
  void whatARuleKeepsOfAGroupIsCompared(double eta, double mu, int passed) throws IOException {
    double rate = 0.5 * Math.pow(1 + 1e-4 * 0.5, -0.75) * eta;
    double p = (1 - 1e-4 * 0.5) - 0.5 * 0.5;
    double q = -2 * (1 - 1e-4 * 0.5) - 0.5 * 0.25;
    String params = "[" + p + ", " + q + "]";
    String state = "{\"ax\": " + params + ", \"eta\": " + rate + ", \"mu\": " + mu + "}";
    Path file = golden("{\"lr\": 0.5}", "ASGD", params, state);
    CommandRun output =
        run("verify", "--backend", "cpu", "--dtype", "float64", "--golden", file.toString());
    assertTrue(output.out().contains(passed + " passed, " + (1 - passed)), output.out());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[1, 2], | [2, 2], | tensor m has 2 values, which its shape does not have",
        "[1, 2], | [1, 1.5], | tensor m has a dimension of length 1.5",
        "[[0.5, 0], | [[0.5], | stream s is 1 values long, must be 2 like tensor m",
        "\"tensors\": [\"m\", \"b\"] | \"tensors\": [\"m\", \"x\"] | names a tensor that is not"
            + " there: x",
        "\"b\": [1.5] | \"c\": [1.5] | has no \"b\"",
        "\"step\": 1, \"params\" | \"step\": 3, \"params\" | but the stream ends at step 2",
      })
  void malformedFileOfSeveralTensorsIsExplained(String right, String wrong, String message)
      throws IOException {
    Path file = several("{\"m\": [0.75, 4096], \"b\": [1.5]}", "{}");
    String text = Files.readString(file);
    assertTrue(text.contains(right), text);
    Files.writeString(file, text.replace(right, wrong));
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.err().contains(message), output.err());
    assertEquals(1, output.err().lines().count(), output.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "momentum | 1 passed, 0 failed, 0 skipped",
        "rmsprop  | 0 passed, 1 failed, 0 skipped",
        "sorcery  | skipped: there is no rule sorcery",
      })
  void aCaseMayNameTheRuleThatAnotherReferenceCallsOtherwise(String rule, String result)
      throws IOException {
    String state = "{\"momentum_buffer\": [0.5, 0.25]}";
    Path file = golden("{\"lr\": 0.5}", "HeavyBall", "[0.75, -2.125]", state);
    String nowhere = Files.readString(file);
    String named = "\"rule\": \"%s\", \"reference\": \"a library\", \"hyper\"".formatted(rule);
    CommandRun without = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(without.out().contains("there is no rule HeavyBall"), without.out());

    Files.writeString(file, nowhere.replace("\"hyper\"", named));
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(result), output.out());
    assertEquals(rule.equals("momentum") ? 0 : 1, output.exitCode(), output.err());
  }

  /** Other cases of the file are replayed. */
  @Test
  void verifySkipsACaseWhoseHyperparametersTheRuleRejects() throws IOException {
    Path file = golden("{\"lr\": 0.5}", "SGD", "[0.75, -2.125]", "{}");
    String other =
        """
        , {"name": "d", "optimizer": "AdaBelief", "hyper": {"lr": 1, "amsgrad": true},
           "stream": "s", "snapshots": [{"step": 1, "params": [0, 0], "state": {}}]}]}
        """;
    Files.writeString(file, Files.readString(file).stripTrailing().replaceAll("]}$", "") + other);
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains("skipped: adabelief: amsgrad is true, must be"), output.out());
    assertTrue(output.out().contains("1 passed, 0 failed, 1 skipped"), output.out());
    assertEquals(0, output.exitCode(), output.err());
  }

  /** The highest rate is that of the case where a reference names none. */
  @ParameterizedTest
  @ValueSource(strings = {"", ", \"max_lr\": null", ", \"max_lr\": 0.5"})
  void theHighestRateOfStableAdamWIsItsRateByDefault(String highest) throws IOException {
    String hyper = "{\"lr\": 0.5, \"decouple_lr\": true, \"weight_decay\": 0.1, \"eps\": 1e-6%s}";
    // Both moments are the gradient's at first, and no ratio is above 1.
    double p = (1 - 0.1) - 0.5 * 0.5 / (0.5 + 1e-6);
    double q = -2 * (1 - 0.1) - 0.5 * 0.25 / (0.25 + 1e-6);
    Path file = golden(hyper.formatted(highest), "StableAdamW", "[" + p + ", " + q + "]", "{}");
    CommandRun output =
        run("verify", "--backend", "cpu", "--dtype", "float64", "--golden", file.toString());
    assertTrue(output.out().contains("1 passed, 0 failed"), output.out() + output.err());
  }

  @Test
  void verifyFailsOnAMissingState() throws IOException {
    Path file = golden("{\"lr\": 0.5}", "SGD", "[0.75, -2.125]", "{\"buffer\": [0, 0]}");
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString(), "--json");
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
    CommandRun output = run("verify", "--golden", file.toString());
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
    CommandRun output = run("verify", "--golden", file.toString());
    assertEquals(1, output.exitCode());
    assertTrue(output.err().startsWith("warmstep: " + file + ": "), output.err());
    assertTrue(output.err().contains(message), output.err());
    assertEquals(1, output.err().lines().count(), output.err());
  }

  @ParameterizedTest
  @CsvSource({".,is a folder", "src/test,is a folder", "no/such.json,no such file"})
  void whatIsNoFileIsNotCalledBadJson(String path, String message) {
    CommandRun output = run("verify", "--golden", path);
    assertEquals(1, output.exitCode());
    assertTrue(output.err().startsWith("warmstep: " + path + ": " + message), output.err());
    assertFalse(output.err().contains("JSON"), output.err());
    assertEquals(1, output.err().lines().count(), output.err());
  }

  @Test
  void textInAnotherEncodingIsNotCalledBadJson() throws IOException {
    Path file = Files.write(folder.resolve("latin.json"), new byte[] {'{', '"', (byte) 0xE4, '"'});
    CommandRun output = run("verify", "--golden", file.toString());
    assertEquals(1, output.exitCode());
    assertEquals(
        "warmstep: " + file + ": cannot be read: the text is not in UTF-8", output.err().strip());
  }
}
