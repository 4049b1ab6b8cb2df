package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class MeasureCommandTest {
  private static List<JsonObject> answers(String requests) {
    StringWriter out = new StringWriter();
    int exitCode =
        new CommandLine(new MeasureCommand(new StringReader(requests)))
            .setOut(new PrintWriter(out, true))
            .execute("--backend", "cpu");
    assertEquals(0, exitCode);
    return out.toString()
        .lines()
        .map(line -> JsonParser.parseString(line).getAsJsonObject())
        .toList();
  }

  @Test
  void answersEachRequestWithALine() {
    List<JsonObject> answers =
        answers(
            """
            {"open": {"rule": "adam", "dtype": "float32", "lengths": [1000, 0, 77]}}
            {"steps": 3}
            {"steps": 2}
            {"close": true}

            {"open": {"rule": "sgd", "dtype": "bfloat16", "lengths": [5]}}
            {"steps": 1}
            """);
    assertEquals(7, answers.size(), answers.toString());
    assertEquals("cpu", answers.get(0).get("backend").getAsString());
    assertTrue(answers.get(0).has("device") && answers.get(0).has("driver"));
    assertEquals(1077, answers.get(1).get("parameters").getAsLong());
    for (int i : new int[] {2, 3, 6}) {
      assertTrue(answers.get(i).get("ms").getAsDouble() > 0, answers.get(i).toString());
      assertTrue(answers.get(i).get("host_us").getAsDouble() > 0, answers.get(i).toString());
    }
    assertEquals(new JsonObject(), answers.get(4));
  }

  @Test
  void severalModelsAreOpenAtOnceAndStoreInFewerBits() {
    List<JsonObject> answers =
        answers(
            """
            {"model": "a", "open": {"rule": "adamw", "dtype": "bfloat16", "lengths": [5000], "master": "exact", "state": "int8", "rounding": "stochastic", "full": true}}
            {"model": "b", "open": {"rule": "sgd", "dtype": "float32", "lengths": [5], "full": true}}
            {"model": "a", "steps": 2}
            {"model": "b", "steps": 2}
            {"steps": 2}
            {"model": "c", "open": {"rule": "sgd", "dtype": "float32", "lengths": [5], "master": "exact"}}
            {"model": "d", "open": {"rule": "adam", "dtype": "float32", "gradients": "bfloat16", "lengths": [5], "full": true}}
            {"model": "d", "steps": 2}
            {"model": "e", "open": {"rule": "adam", "dtype": "float32", "gradients": "float64", "lengths": [5]}}
            {"close": true}
            {"model": "a", "steps": 2}
            """);
    assertTrue(answers.get(3).has("ms") && answers.get(4).has("ms"), answers.toString());
    assertTrue(answers.get(5).get("error").getAsString().contains("open before steps"));
    assertTrue(answers.get(6).get("error").getAsString().contains("master"), answers.toString());
    assertTrue(answers.get(8).has("ms"), answers.toString());
    assertTrue(answers.get(9).get("error").getAsString().contains("gradients"), answers.toString());
    assertEquals(new JsonObject(), answers.get(10));
    assertTrue(answers.get(11).get("error").getAsString().contains("open before steps"));
  }

  @Test
  void refusesWhatItCannotDoAndGoesOn() {
    List<JsonObject> answers =
        answers(
            """
            {"steps": 1}
            {"open": {"rule": "adamx", "dtype": "float32", "lengths": [1]}}
            {"stop": 1}
            [1]
            {
            {"open": {"rule": "adam", "dtype": "float32"}}
            {"steps": null}
            {"open": 5}
            {"open": {"rule": "adam", "dtype": "float32", "lengths": [3]}}
            {"steps": 0}
            {"steps": 1}
            """);
    List<String> expected =
        List.of("open before steps", "adamx", "open, steps or close", "", "", "lengths", "", "");
    for (int i = 0; i < expected.size(); i++) {
      String error = answers.get(i + 1).get("error").getAsString();
      assertTrue(error.contains(expected.get(i)), error);
    }
    assertEquals(3, answers.get(9).get("parameters").getAsLong());
    assertTrue(answers.get(10).get("error").getAsString().contains("steps is 0"));
    assertTrue(answers.get(11).has("ms"));
  }
}
