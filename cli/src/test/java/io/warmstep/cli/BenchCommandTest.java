package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.cli.bench.ModelShapes;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BenchCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int bench(String... options) {
    String[] arguments = new String[options.length + 1];
    arguments[0] = "bench";
    System.arraycopy(options, 0, arguments, 1, options.length);
    return Main.commandLine()
        .setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(arguments);
  }

  @ParameterizedTest
  @CsvSource({"sgd,float32", "adamw,float32", "adam,bfloat16", "rmsprop,float64"})
  void printsOneObjectAndNoStepAllocates(String rule, String dtype) {
    assertEquals(
        0,
        bench(
            "--rule",
            rule,
            "--dtype",
            dtype,
            "--size",
            "1000",
            "--threads",
            "1",
            "--rounds",
            "3",
            "--json"));
    assertEquals("", err.toString());
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals(rule, result.get("rule").getAsString());
    assertEquals(dtype, result.get("dtype").getAsString());
    assertEquals(1000, result.get("params").getAsLong());
    assertEquals(1, result.get("tensors").getAsInt());
    assertEquals("cpu", result.get("backend").getAsString());
    assertEquals(0, result.get("bytes_allocated_per_step").getAsDouble(), 0.5);
    double fastest = result.get("ms_per_step_min").getAsDouble();
    double median = result.get("ms_per_step").getAsDouble();
    assertTrue(
        fastest * result.get("steps_per_round").getAsInt() >= 50 * (1 - 1e-9), out.toString());
    assertTrue(fastest <= median && median <= result.get("ms_per_step_max").getAsDouble());
    // A call is the step, without what the clock itself takes.
    double host = result.get("host_us_per_step").getAsDouble() / 1e3;
    assertTrue(host > 0 && host <= median, out.toString());
    // It all fits in caches.
    assertTrue(result.get("ceiling").isJsonNull(), out.toString());
    assertTrue(result.get("fraction_of_ceiling").isJsonNull(), out.toString());
    assertTrue(result.get("fraction_of_ceiling_min").isJsonNull(), out.toString());
    assertTrue(result.get("fraction_of_ceiling_max").isJsonNull(), out.toString());
    boolean hasPlainLoop = rule.startsWith("adam") && dtype.equals("float32");
    assertEquals(hasPlainLoop, result.get("arithmetic").isJsonObject(), out.toString());
  }

  @ParameterizedTest
  @CsvSource({
    "sgd,float32,12,0",
    "adam,float32,28,8",
    "adam,bfloat16,22,8",
    "momentum,float64,40,8",
    "lamb,float32,44,8" // with the norm that it clips by
  })
  void saysHowManyBytesAreMovedAndHeld(String rule, String dtype, long moved, long held) {
    assertEquals(
        0,
        bench(
            "--rule",
            rule,
            "--dtype",
            dtype,
            "--size",
            "1000",
            "--threads",
            "1",
            "--rounds",
            "1",
            "--json"));
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals(moved, result.get("bytes_per_param").getAsLong());
    assertEquals(held, result.get("state_bytes_per_param").getAsLong());
  }

  @ParameterizedTest
  @CsvSource({
    "'--dtype bfloat16 --master --state int8',14.25,4.125",
    "'--dtype bfloat16 --master 24bit --state int8',12.25,3.125",
    "'--full-step --dtype bfloat16 --master 24bit --state int8 --rounding stochastic',16.25,3.125",
    "'--state bfloat16 --average 0.99',28,8",
    "'--gradients bfloat16 --state int8',14.25,2.125",
    "'--dtype bfloat16 --gradients float32 --master',28,10",
    "'--full-step --gradients bfloat16',30,8",
    "'--full-step --dtype bfloat16 --gradients float32 --master',36,10",
    "'--adaptive-clip 0.01 --gradients float16',32,8",
    "'--accumulate 4 --gradients bfloat16',68,12", // 26 + 4 * 2 + 7 * 4 + 4 + 2
    "'--full-step --dtype bfloat16 --master exact',30,10",
    "'--full-step',36,8",
    "'--adaptive-clip 0.01',36,8",
    "'--lookahead 8,0.5',30,12", // 28 + 16 / 8
    "'--lookahead 4,0.5 --dtype bfloat16',25,12", // 22 + 12 / 4
    "'--adaptive-clip 0.01 --dtype bfloat16 --master',30,10",
    "'--accumulate 4',80,12", // 28 + 4 * 4 + 7 * 4 + 8
    "'--accumulate 2 --full-step --dtype bfloat16 --master exact',56,14" // 30 + 4 + 12 + 4 + 6
  })
  void measuresWhatIsStoredInFewerBits(String options, double moved, double held) {
    List<String> all =
        new ArrayList<>(List.of("--size=512", "--threads=1", "--rounds=1", "--json"));
    all.addAll(List.of(options.split(" ", -1)));
    if (options.contains("--state")) {
      all.add("--small-tensor=0");
    }
    assertEquals(0, bench(all.toArray(String[]::new)), err.toString());
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals(moved, result.get("bytes_per_param").getAsDouble());
    assertEquals(held, result.get("state_bytes_per_param").getAsDouble());
    assertEquals(0, result.get("bytes_allocated_per_step").getAsDouble(), 0.5);
    boolean isFull = options.contains("--full-step");
    assertEquals(isFull, result.get("full_step").getAsBoolean());
    assertEquals(isFull ? "adamw" : "adam", result.get("rule").getAsString());
    for (String rival : List.of("plain", "separate")) {
      boolean isThere = isFull && (rival.equals("plain") || !options.contains("--accumulate"));
      assertEquals(!isThere, result.get(rival).isJsonNull());
      if (isThere) {
        JsonObject times = result.getAsJsonObject(rival);
        assertTrue(times.get("ms_per_step").getAsDouble() > 0);
        assertTrue(times.get("times_step").getAsDouble() > 0);
      }
    }
    boolean isLeftOut = isFull && options.contains("--accumulate");
    assertEquals(
        isLeftOut ? "\"they add up no micro-batches\"" : "null",
        result.get("separate_left_out").toString());
  }

  @Test
  void saysWhyAFullStepTakesNoTurnsWithSeparatePasses() {
    List<String> options =
        List.of("--full-step", "--dtype=float64", "--size=512", "--threads=1", "--rounds=1");
    assertEquals(0, bench(options.toArray(String[]::new)), err.toString());
    assertTrue(
        out.toString()
            .lines()
            .anyMatch(
                line ->
                    line.equals(
                        "  in separate passes     left out: they are of float32, and not of"
                            + " float64")),
        out.toString());

    out.getBuffer().setLength(0);
    List<String> reported = new ArrayList<>(options);
    reported.set(1, "--reported");
    reported.add("--json");
    assertEquals(0, bench(reported.toArray(String[]::new)), err.toString());
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertTrue(result.get("separate").isJsonNull(), out.toString());
    assertEquals("they are reported to nobody", result.get("separate_left_out").getAsString());
  }

  @Test
  void aReportedStepTakesTurnsWithTheSameUnreported() {
    assertEquals(
        0,
        bench("--reported", "--size=3000", "--threads=1", "--rounds=1", "--json"),
        err.toString());
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertTrue(result.get("reported").getAsBoolean());
    assertTrue(result.getAsJsonObject("unreported").get("times_step").getAsDouble() > 0);
    assertTrue(result.get("plain").isJsonNull());

    out.getBuffer().setLength(0);
    assertEquals(0, bench("--reported", "--size=3000", "--threads=1", "--rounds=1"));
    assertTrue(out.toString().startsWith("reported step of adam, float32, 3,000"), out.toString());
    assertTrue(out.toString().contains("  unreported  "), out.toString());

    assertEquals(2, bench("--reported", "--captured", "--backend", "cuda"));
    assertTrue(err.toString().contains("without --reported"), err.toString());
  }

  @Test
  void microBatchesAreCounted() {
    assertEquals(2, bench("--size", "1000", "--accumulate", "0"));
    assertTrue(err.toString().contains("--accumulate is 0, must be 1 to 10000"), err.toString());
  }

  @Test
  void storageThatDoesNotGoTogetherIsRefused() {
    assertEquals(2, bench("--size", "1000", "--dtype", "float64", "--master", "exact"));
    assertTrue(err.toString().contains("--master"), err.toString());
    assertFalse(err.toString().contains("masterWeights"), err.toString());
  }

  @Test
  void gradientsMayBeOfATypeThatTheParametersGoWith() {
    assertEquals(0, bench("--size=1000", "--rounds=1", "--threads=1", "--gradients", "bfloat16"));
    assertTrue(
        out.toString().startsWith("adam, float32, bfloat16 gradients, 1,000"), out.toString());
    out.getBuffer().setLength(0);
    assertEquals(0, bench("--size=1000", "--rounds=1", "--threads=1", "--dtype=float16", "--json"));
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals("float16", result.get("gradients").getAsString());

    assertEquals(2, bench("--size", "1000", "--dtype", "float64", "--gradients", "float32"));
    assertTrue(
        err.toString().contains("--gradients is float32, must be float64 like the values"),
        err.toString());
    err.getBuffer().setLength(0);
    assertEquals(2, bench("--size", "1000", "--gradients", "float8"));
    assertTrue(err.toString().contains("--gradients is 'float8', must be float32"), err.toString());
  }

  @Test
  void refusesBeforeItPrints() {
    assertEquals(2, bench("--size", "1000", "--state", "int8"));
    assertTrue(
        err.toString()
            .contains(
                "--state is int8, must be float32 for parameters of fewer than 4096 elements, as all"
                    + " are that it is for, the largest with 1000: pass a --small-tensor of at most"
                    + " 1000, or leave it out"),
        err.toString());
    err.getBuffer().setLength(0);
    assertEquals(2, bench("--size", "1000", "--small-tensor", "5"));
    assertTrue(err.toString().contains("--small-tensor is 5, must be 4096"), err.toString());
    assertEquals("", out.toString());
  }

  @Test
  void measuresAllRulesInOneTable() {
    assertEquals(0, bench("--rule", "all", "--size", "1000", "--threads", "1", "--rounds", "1"));
    List<String> rules = Rules.all().stream().map(UpdateRule::name).toList();
    List<String> lines = out.toString().lines().toList();
    assertTrue(lines.get(0).startsWith("all rules, float32, 1,000 parameters"), lines.get(0));
    assertEquals(
        rules, lines.stream().skip(2).map(line -> line.strip().split(" ", -1)[0]).toList());

    out.getBuffer().setLength(0);
    assertEquals(
        0, bench("--rule", "all", "--size", "1000", "--threads", "1", "--rounds", "1", "--json"));
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals(rules, rules(result.getAsJsonArray("rules")));
    assertEquals(0, result.getAsJsonArray("left_out").size());
  }

  private static List<String> rules(JsonArray objects) {
    return objects.asList().stream()
        .map(one -> one.getAsJsonObject().get("rule").getAsString())
        .toList();
  }

  @ParameterizedTest
  @CsvSource({
    "'--state int8','sgd,adagrad','adam,lamb'",
    "'--full-step --average 0.9','asgd,schedulefreeadamw,schedulefreesgd','sgd,adam'",
    "'--adaptive-clip 0.1','lamb,novograd','sgd,adam'"
  })
  void rulesThatAnOptionIsNotForAreLeftOutOfTheTable(
      String options, String refusing, String measured) {
    List<String> all =
        new ArrayList<>(List.of("--rule=all", "--size=5000", "--threads=1", "--rounds=1"));
    all.addAll(List.of(options.split(" ")));
    assertEquals(0, bench(all.toArray(String[]::new)), err.toString());
    assertEquals("", err.toString());
    List<String> lines = out.toString().lines().toList();
    List<String> rows =
        lines.stream()
            .skip(2)
            .takeWhile(line -> line.startsWith(" "))
            .map(line -> line.strip().split(" ", -1)[0])
            .toList();
    assertTrue(rows.containsAll(List.of(measured.split(","))), out.toString());
    List<String> named = new ArrayList<>();
    for (String line : lines.subList(2 + rows.size(), lines.size())) {
      Matcher parts = Pattern.compile("left out: ([a-z0-9, ]+), since (--.*)").matcher(line);
      assertTrue(parts.matches(), line);
      named.addAll(List.of(parts.group(1).split(", ")));
    }
    assertTrue(named.containsAll(List.of(refusing.split(","))), out.toString());
    List<String> both = new ArrayList<>(rows);
    both.addAll(named);
    assertEquals(
        Rules.all().stream().map(UpdateRule::name).sorted().toList(),
        both.stream().sorted().toList());
  }

  @Test
  void rulesThatAreLeftOutForOneReasonShareALine() {
    String[] options = {"--rule=all", "--caution", "--size=1000", "--threads=1", "--rounds=1"};
    assertEquals(0, bench(options), err.toString());
    List<String> leftOut =
        out.toString().lines().filter(line -> line.startsWith("left out: ")).toList();
    assertEquals(2, leftOut.size(), out.toString());
    assertTrue(leftOut.get(0).startsWith("left out: sgd, momentum, "), leftOut.get(0));
    assertTrue(
        leftOut
            .get(0)
            .endsWith(", since --caution is not for the rule, but for lion, nadamw, adamw"),
        leftOut.get(0));
    assertTrue(leftOut.get(1).startsWith("left out: adam, since --caution is true, must be"));

    out.getBuffer().setLength(0);
    String[] inJson = Arrays.copyOf(options, options.length + 1);
    inJson[options.length] = "--json";
    assertEquals(0, bench(inJson), err.toString());
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals(List.of("lion", "nadamw"), rules(result.getAsJsonArray("rules")));
    JsonArray refusing = result.getAsJsonArray("left_out");
    assertEquals(Rules.all().size() - 2, refusing.size());
    assertEquals(
        "{\"rule\":\"sgd\",\"reason\":\"--caution is not for rule sgd, but for lion, nadamw, adamw\"}",
        refusing.get(0).toString());
  }

  @Test
  void optionsThatAreForNoRuleAreRefused() {
    for (String rule : List.of("all", "sgd")) {
      err.getBuffer().setLength(0);
      assertEquals(2, bench("--rule", rule, "--size", "1000", "--master"));
      assertEquals("", out.toString());
      assertTrue(err.toString().contains("--master is exact, must be none"), err.toString());
    }
  }

  @Test
  void saysWhyThereIsNoFractionInCaches() {
    assertEquals(0, bench("--size", "1000", "--threads", "1", "--rounds", "1"));
    Matcher size =
        Pattern.compile("none: 0.0 MB fit .*\\(--size ([0-9]+) and", Pattern.DOTALL)
            .matcher(out.toString());
    assertTrue(size.find(), out.toString());

    out.getBuffer().setLength(0);
    assertEquals(0, bench("--size", size.group(1), "--threads", "1", "--rounds", "2", "--json"));
    JsonObject beyond = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals("plain Java loop", beyond.get("ceiling").getAsString());
    double fraction = beyond.get("fraction_of_ceiling").getAsDouble();
    assertTrue(beyond.get("fraction_of_ceiling_min").getAsDouble() <= fraction);
    assertTrue(beyond.get("fraction_of_ceiling_max").getAsDouble() >= fraction);
  }

  @Test
  void theHelpExplainsEveryField() {
    assertEquals(0, bench("--size", "1000", "--threads", "1", "--rounds", "1", "--json"));
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    out.getBuffer().setLength(0);
    assertEquals(0, bench("--help"));
    String help = out.toString();
    String fields = help.substring(help.indexOf("JSON fields:"));
    for (String field : result.keySet()) {
      assertTrue(
          Pattern.compile("^[a-z_, ]*\\b" + field + "\\b.* {2,}\\S", Pattern.MULTILINE)
              .matcher(fields)
              .find(),
          field + ": " + fields);
    }
  }

  @Test
  void threadsAreForTheCpu() {
    assertEquals(2, bench("--backend", "opencl", "--threads", "2"));
    assertTrue(err.toString().contains("--threads is for the cpu"), err.toString());
  }

  /** Also on an OpenCL device that is the processor, which updates no Java arrays. */
  @Test
  @Tag("opencl")
  void aFullStepOnOpenClIsMeasuredWithoutSeparatePasses() {
    assertEquals(
        0,
        bench("--backend", "opencl", "--full-step", "--size", "1000", "--rounds", "1", "--json"),
        err::toString);
    JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertEquals("opencl", result.get("backend").getAsString());
    assertTrue(result.get("separate").isJsonNull(), out.toString());
    assertEquals(
        "they are plain Java loops, and for steps on the cpu",
        result.get("separate_left_out").getAsString());
  }

  @Test
  void capturedStepsAreForCuda() {
    for (String backend : List.of("cpu", "opencl")) {
      err.getBuffer().setLength(0);
      assertEquals(2, bench("--captured", "--backend", backend));
      assertTrue(
          err.toString()
              .contains(
                  "--captured is for CUDA devices, --backend is "
                      + backend
                      + ": leave it out, or give --backend cuda"),
          err.toString());
    }
    err.getBuffer().setLength(0);
    assertEquals(2, bench("--captured", "--backend", "cuda", "--accumulate", "2"));
    assertTrue(err.toString().contains("--captured is for steps without --accumulate"));
  }

  @Test
  void anUnknownBackendIsAnError() {
    assertEquals(1, bench("--backend", "abacus"));
    assertTrue(err.toString().contains("abacus"), err.toString());
  }

  @Test
  void knowsTheModels() {
    assertEquals(161, ModelShapes.resNet50().size());
    assertEquals(25_557_032L, ModelShapes.resNet50().stream().mapToLong(Long::longValue).sum());
    assertEquals(148, ModelShapes.gpt2Small().size());
    assertEquals(124_439_808L, ModelShapes.gpt2Small().stream().mapToLong(Long::longValue).sum());
  }

  @ParameterizedTest
  @CsvSource({
    "--rule,adamx,'--rule is ''adamx'', must be one of'",
    "--dtype,float8,'--dtype is ''float8'', must be float32'",
    "--size,0,--size is 0",
    "--size,many,'--size is ''many'', must be a whole number'",
    "--model,vgg,'--model is ''vgg'', must be'",
    "--rounds,0,--rounds is 0",
    "--threads,0,--threads is 0",
    "--threads,5000,--threads is 5000",
    "--speed,1,--speed"
  })
  void refusesWhatIsNotAllowed(String option, String value, String named) {
    assertEquals(2, bench(option, value));
    assertEquals("", out.toString());
    assertTrue(err.toString().contains(named), err.toString());
  }
}
