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
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code verify} passes and what it does not. */
class VerifyCommandTest {
  private static final String GOLDEN = "src/test/resources/golden/optimizers.json";
  private static final String MODERN = "src/test/resources/golden/modern.json";

  private static final Set<String> OUTCOME =
      Set.of(
          "name",
          "backend",
          "dtype",
          "max_relative_error",
          "tolerance",
          "passed",
          "worst",
          "missing",
          "not_compared");

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
    GOLDEN + ", float64, 1e-12, 1e-16, ",
    GOLDEN + ", float32, 1e-5, 1e-7, ",
    MODERN + ", float64, 1e-12, 1e-16, mars-adamw/random mars-adamw/one-dimensional",
    MODERN + ", float32, 1e-5, 1e-7, mars-adamw/random mars-adamw/one-dimensional"
  })
  void verifyPassesOnTheReferencesTrajectories(
      String file, String type, double tolerance, double cancellation, String withoutRule)
      throws IOException {
    JsonObject result =
        run("verify", "--golden", file, "--backend", "cpu", "--dtype", type, "--json").json();
    int cases = result.getAsJsonArray("cases").size();
    Set<String> skipped = new HashSet<>();
    for (JsonElement element : result.getAsJsonArray("skipped")) {
      JsonObject one = element.getAsJsonObject();
      assertEquals(Set.of("name", "reason"), one.keySet());
      assertEquals("there is no rule MARS", one.get("reason").getAsString());
      skipped.add(one.get("name").getAsString());
    }
    assertEquals(withoutRule == null ? Set.of() : Set.of(withoutRule.split(" ", -1)), skipped);
    Map<String, JsonObject> inTheFile = new HashMap<>();
    JsonParser.parseString(Files.readString(Path.of(file)))
        .getAsJsonObject()
        .getAsJsonArray("cases")
        .forEach(
            one ->
                inTheFile.put(
                    one.getAsJsonObject().get("name").getAsString(), one.getAsJsonObject()));
    assertEquals(inTheFile.size(), cases + skipped.size());
    for (JsonElement element : result.getAsJsonArray("cases")) {
      JsonObject one = element.getAsJsonObject();
      assertEquals(OUTCOME, one.keySet());
      assertEquals(type, one.get("dtype").getAsString());
      assertTrue(one.get("passed").getAsBoolean(), one.toString());
      // Digits cancel in how far parameters have come: the more, the smaller the first step size
      // is.
      double allowed = tolerance;
      JsonObject golden = inTheFile.get(one.get("name").getAsString());
      if (golden.get("optimizer").getAsString().equals("Prodigy")) {
        JsonElement d0 = golden.getAsJsonObject("hyper").get("d0");
        allowed = Math.max(tolerance, cancellation / (d0 == null ? 1e-6 : d0.getAsDouble()));
      }
      assertEquals(allowed, one.get("tolerance").getAsDouble(), 1e-6 * allowed, one.toString());
      assertTrue(one.get("max_relative_error").getAsDouble() <= allowed, one.toString());
    }
  }

  /** What the file has of every case is compared but for what follows from the rest. */
  @Test
  void verifyNamesWhatTheReferencesTrajectoriesLack() {
    JsonObject result = run("verify", "--golden", MODERN, "--backend", "cpu", "--json").json();
    Set<String> missing = new TreeSet<>();
    Set<String> notCompared = new TreeSet<>();
    for (JsonElement element : result.getAsJsonArray("cases")) {
      JsonObject one = element.getAsJsonObject();
      String optimizer = one.get("name").getAsString().replaceAll("/.*", " ");
      one.getAsJsonArray("missing").forEach(name -> missing.add(optimizer + name.getAsString()));
      one.getAsJsonArray("not_compared").forEach(name -> notCompared.add(name.getAsString()));
    }
    assertEquals(
        Set.of(
            "lookahead exp_avg",
            "lookahead exp_avg_sq",
            "lookahead momentum_buffer",
            "prodigy bias_correction1",
            "prodigy bias_correction2",
            "prodigy p0"),
        missing);
    assertEquals(Set.of("step", "k", "counter", "scheduled_lr", "d_hat", "d_denom"), notCompared);
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

  /** Of one case, that is: others are replayed. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[1, 2], | [2, 2], | tensor m has 2 values, which its shape does not have",
        "[1, 2], | [1, 1.5], | tensor m has a dimension of length 1.5",
        "'initial': [2.0] | 'initial': ['x'] | tensor b: expected a number",
        "[[0.5, 0], | [[0.5], | stream s is 1 values long, must be 2 like tensor m",
        "'tensors': ['m', 'b'] | 'tensors': ['m', 'x'] | names a tensor that is not there: x",
        "'tensors': ['m', 'b'] | 'tensors': ['m', 'm'] | the case names tensor m twice",
        "'stream': 's' | 'stream': 'z' | names a stream that is not there: z",
        "'b': [1.5] | 'c': [1.5] | step 1, params has no \"b\"",
        "'step': 1, 'params' | 'step': 3, 'params' | a snapshot's step is 3, must be a whole"
            + " number from 1 to 2, where the stream ends",
        "'step': 1, 'params' | 'step': 0.5, 'params' | a snapshot's step is 0.5, must be",
        "'state': {} | 'state': {'b': {'momentum_buffer': [[1]]}} | step 1, b momentum_buffer:"
            + " expected a number",
        "'state': {} | 'state': {'b': {'momentum_buffer': {}}} | step 1, b momentum_buffer:"
            + " expected a list",
        "'optimizer': 'SGD', | '' | the case has no \"optimizer\"",
        "'momentum': 0.5, | 'dampening': 3, | skipped: rule sgd has no dampening (3.0)",
        "'lr': 0.5 | 'lr': [1] | skipped: lr is [1.0], must be a number",
        "'lr': 0.5 | 'lr': null | skipped: the case has no learning rate (lr)",
        "'lr': 0.5 | 'lr': -1 | skipped: learning rate is -1.0, must be",
        "'lr': 0.5 | 'lr': 0.5, 'foreach': 1}, 'clip_grad_norm': -1, 'x': {'y': 1 | skipped:"
            + " clipNorm is -1.0, must be",
        "'optimizer': 'SGD' | 'optimizer': 'Muon' | skipped: shape of \"b\" is [1], must be",
      })
  void whatCannotBeReplayedOfOneCaseIsExplained(String right, String wrong, String message)
      throws IOException {
    Path file = several("{'m': [0.75, 4096], 'b': [1.5]}".replace('\'', '"'), "{}");
    String text = Files.readString(file).replace('"', '\'');
    assertTrue(text.contains(right), text);
    String one = text.replace(right, wrong == null ? "" : wrong).stripTrailing();
    String other =
        """
        , {'name': 'other', 'optimizer': 'SGD', 'hyper': {'lr': 0.5}, 'stream': 't',
           'tensors': ['other'], 'snapshots': [{'step': 1, 'params': {'other': [0.5]}}]}]}
        """;
    Files.writeString(
        file,
        (one.replaceAll("]}$", "") + other)
            .replace("'streams': {", "'streams': {'t': {'other': [[1]], 'nowhere': [[]]}, ")
            .replace("'tensors': {", "'tensors': {'other': {'shape': [], 'initial': [1]}, ")
            .replace('\'', '"'));
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(message), output.out() + output.err());
    assertTrue(output.out().contains("1 passed, 0 failed, 1 skipped"), output.out());
    assertEquals(0, output.exitCode(), output.err());
    JsonObject json =
        run("verify", "--backend", "cpu", "--golden", file.toString(), "--json").json();
    JsonObject skipped = json.getAsJsonArray("skipped").get(0).getAsJsonObject();
    assertTrue(output.out().contains("skipped: " + skipped.get("reason").getAsString()));
    assertEquals("c", skipped.get("name").getAsString());
  }

  /** Two parameters and gradients whose step under SGD is known, with other state of the case. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'m': {'momentum_buffer': null} | 1 passed | passed; not in the file: momentum_buffer",
        "'m': {'momentum_buffer': [0.5, 0], 'on': true}, 'b': {'momentum_buffer': [1]} | 1 passed"
            + " | not compared: k, on",
        "'b': {'momentum_buffer': 1} | 1 passed | passed; not in the file: m momentum_buffer",
        "'b': {'momentum_buffer': 2} | 0 passed | FAILED at step 1, b momentum_buffer: up to"
            + " 1.0e-12 is allowed; not in",
        "'b': {'momentum_buffer': [1, 2]} | 0 passed | FAILED at step 1, b momentum_buffer: has 2"
            + " values, must have 1",
        "'b': {'buffer': [1]} | 0 passed | FAILED at step 1, b buffer: rule momentum keeps no such"
            + " state",
        "'b': {'buffer': 1} | 0 passed | FAILED at step 1, b buffer: rule momentum keeps no such",
        "'b': {}}, 'group': {'train': true, 'mode': 'x', 'list': [[]], 'k': 7, 'lr': 3, 'gone':"
            + " null, 'foreach': 1, 'weight_decay': 0, 'dampening': 0}, 'x': {'y': 1 | 1 passed |"
            + " not compared: dampening, foreach, k, list, lr, mode, train, weight_decay",
        "'b': {}}, 'group': {'buffer': 7}, 'x': {'y': 1 | 0 passed | m buffer: rule momentum keeps",
      })
  void stateIsComparedByName(String state, String result, String line) throws IOException {
    Path file = several("{'m': [0.75, 4096], 'b': [1.5]}".replace('\'', '"'), "{}");
    String text = Files.readString(file).replace('"', '\'');
    if (state.contains("'group'")) {
      text = text.replace(", 'group': {'k': 1}", "");
    }
    Files.writeString(
        file, text.replace("'state': {}", "'state': {" + state + "}").replace('\'', '"'));
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(result), output.out() + output.err());
    assertTrue(output.out().contains(line), output.out());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[NaN, 4096]       | NaN       | [NaN, 0]       | 1 passed",
        "[-Infinity, 4096] | Infinity  | [Infinity, 0]  | 1 passed",
        "[Infinity, 4096]  | -Infinity | [-Infinity, 0] | 1 passed",
        "[Infinity, 4096]  | Infinity  | [Infinity, 0]  | 0 passed",
        "[NaN, 4096]       | Infinity  | [Infinity, 0]  | 0 passed",
        "[0.75, 4096]      | NaN       | [NaN, 0]       | 0 passed",
        "[NaN, 4096]       | 0.5       | [0.5, 0]       | 0 passed",
        "[-Infinity, 4097] | Infinity  | [Infinity, 0]  | 0 passed",
        "[-Infinity, 4096] | Infinity  | [Infinity, 1]  | 0 passed",
      })
  void valuesThatAreNotFiniteEqualThemselves(
      String params, String gradient, String buffer, String result) throws IOException {
    Path file =
        several(
            "{\"m\": " + params + ", \"b\": [1.5]}",
            "{\"m\": {\"momentum_buffer\": " + buffer + "}}");
    Files.writeString(file, Files.readString(file).replace("[[0.5, 0]", "[[" + gradient + ", 0]"));
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(result), output.out() + output.err());
  }

  /** Of the gradients 0.5 and 0.25 at the rate 0.5. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "SGD | {} | {'weight_decay': 0.5} | [0.5, -1.625] | 1 passed",
        "SGD | {'weight_decay': 0} | {'weight_decay': 0.5} | [0.75, -2.125] | 1 passed",
        "SGD | {'momentum': 0} | {'momentum': 0.5} | [0.75, -2.125] | 1 passed",
        "SGD | {'foreach': true, 'fused': null} | {'magic': false} | [0.75, -2.125] | 1 passed",
        "SGD | {'magic': 0, 'maximize': null} | {} | [0.75, -2.125] | 1 passed",
        "SGD | {'magic': 'none'} | {'magic': 'x'} | [0.75, -2.125] | 1 passed",
        "SGD | {'maximize': true} | {} | [1.25, -1.875] | 1 passed",
        "SGD | {} | {'magic': 'x'} | [0.75, -2.125] | skipped: rule sgd has no magic (x)",
        "Lion | {'betas': [0.5, 0.5]} | {} | [0.5, -2.5] | 1 passed",
        "Lion | {'betas': [0.5]} | {} | [0.5, -2.5] | betas has 1 values, too few for rule lion",
        "Lion | {'betas': 0.5} | {} | [0.5, -2.5] | rule lion has no betas (0.5)",
        "CautiousLion | {'caution': false} | {} | [0.5, -2.5] | 1 passed",
        "CautiousLion | {} | {'caution': false} | [0.5, -2.5] | 1 passed",
        "CautiousNAdamW | {'betas': [0, 0.5], 'weight_decay': 0, 'eps': 1e-30} | {} | [0.5, -2.5] | 1 passed",
        "CautiousAdan | {} | {} | [0.5, -2.5] | skipped: rule adan has no caution (true)",
        "Adan | {'caution': false, 'maximize': false, 'eps': 1e-30} | {} | [0.5, -2.5] | 1 passed",
        "Muon | {'adjust_lr_fn': 'x'} | {} | [0, 0] | adjust_lr_fn is x, must be original or",
        "AdEMAMix | {'alpha_warmup': 2.5} | {} | [0, 0] | alphaWarmup is 2.5, must be a whole",
        "AdEMAMix | {'betas': [0.9, 0.99]} | {} | [0, 0] | betas has 2 values, too few",
        "AdaBelief | {'degenerated_to_sgd': false} | {} | [0, 0] | no degeneratedToSgd (false)",
        "Lookahead | {'base_optimizer': {'optimizer': 'SGD'}} | {} | [0.75, -2.125] | 1 passed",
        "Lookahead | {'k': 1, 'alpha': 0.5, 'base_optimizer': {'optimizer': 'SGD', 'lr': 1}}"
            + " | {'k': 5} | [0.75, -2.125] | 1 passed",
        "Lookahead | {'base_optimizer': {'optimizer': 'SGD', 'lr': 1}} | {'k': 1, 'alpha': 0.5}"
            + " | [0.75, -2.125] | 1 passed",
        "Lookahead | {'k': 0, 'base_optimizer': {'optimizer': 'SGD'}} | {} | [0, 0]"
            + " | lookahead: k is 0, must be at least 1",
        "Lookahead | {'k': 2.5, 'base_optimizer': {'optimizer': 'SGD'}} | {} | [0, 0]"
            + " | k is 2.5, must be a whole number",
        "Lookahead | {'alpha': 2, 'base_optimizer': {'optimizer': 'SGD'}} | {} | [0, 0]"
            + " | lookahead: alpha is 2.0, must be",
        "Lookahead | {'alpha': 'x', 'base_optimizer': {'optimizer': 'SGD'}} | {} | [0, 0]"
            + " | alpha is x, must be a number",
        "Lookahead | {'base_optimizer': {'optimizer': 'ASGD'}} | {} | [0, 0]"
            + " | lookahead: rule is asgd, must be",
        "Lookahead | {'base_optimizer': 'SGD'} | {} | [0, 0] | base_optimizer is SGD, must be",
        "Lookahead | {'pullback_momentum': 'reset', 'base_optimizer': {'optimizer': 'SGD'}} | {}"
            + " | [0, 0] | Lookahead has no pullback_momentum",
        "Lookahead | {'pullback_momentum': 'none', 'base_optimizer': {'optimizer': 'SGD'}} | {}"
            + " | [0.75, -2.125] | 1 passed",
      })
  void hyperparametersAreTheDefaultsAndWhatDiffersFromThem(
      String optimizer, String hyper, String defaults, String params, String result)
      throws IOException {
    String all = hyper + ", \"defaults\": " + defaults.replaceFirst("}$", ", 'lr': 0.5}");
    Path file = golden(all.replace('\'', '"').replace("{, ", "{"), optimizer, params, "{\"k\": 1}");
    CommandRun output = run("verify", "--backend", "cpu", "--golden", file.toString());
    assertTrue(output.out().contains(result), output.out() + output.err());
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
    assertTrue(output.out().contains("0 passed, 0 failed, 1 skipped"), output.out());
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
        "{\"streams\": {}}                          | has neither \"tensors\" nor \"initial\"",
        "{\"tensors\": [], \"streams\": {}}         | tensors: expected an object",
        "{\"tensors\": {}, \"streams\": []}         | streams: expected an object",
        "{\"initial\": [\"x\"], \"streams\": {}}    | expected a number",
        "{\"initial\": [1], \"streams\": {}}         | has no \"cases\"",
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
