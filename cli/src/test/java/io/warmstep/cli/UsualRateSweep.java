package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.rule.Rules;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * How good the default rates of {@code train} are: digits with the command's defaults, at a rule's
 * usual rate and at rates around it, 10 seeds each unless the property {@code seeds} says
 * otherwise. Takes minutes, so it runs on request alone; docs/BENCHMARKS.md has the command and the
 * result.
 */
class UsualRateSweep {
  private static final int SEEDS = Integer.getInteger("seeds", 10);
  private static final double[] FACTORS = {0.1, 0.2, 0.5, 1, 2, 5, 10};

  /** Shares of the test rows. */
  private static final double LEAST = 0.96;

  private static final double TOLERANCE = 0.005;

  /** All names that the command knows, or those in the property {@code rules}. */
  static Stream<String> rules() {
    String asked = System.getProperty("rules", "");
    return asked.isEmpty() ? NamedRules.names().stream() : Stream.of(asked.split(","));
  }

  private static double accuracy(String rule, double rate, int seed) {
    CommandRun run =
        CommandRun.run("train", "--json", "--rule=" + rule, "--lr=" + rate, "--seed=" + seed);
    if (run.exitCode() != 0) {
      assertTrue(run.err().contains("diverged"), run.err());
      return 0;
    }
    JsonObject result = JsonParser.parseString(run.out()).getAsJsonObject();
    return result.get("test_accuracy").getAsDouble();
  }

  private static double meanAccuracy(String rule, double rate) {
    return IntStream.range(0, SEEDS)
        .parallel()
        .mapToDouble(seed -> accuracy(rule, rate, seed))
        .average()
        .orElseThrow();
  }

  @ParameterizedTest
  @MethodSource("rules")
  void theUsualRateIsAsGoodAsTheBestOfASweep(String rule) {
    double usual = Rules.usualRate(NamedRules.named(rule));
    double best = 0;
    double atUsual = 0;
    StringBuilder report = new StringBuilder();
    for (double factor : FACTORS) {
      double rate = Double.parseDouble(String.format(Locale.ROOT, "%.3g", usual * factor));
      double accuracy = meanAccuracy(rule, rate);
      report.append(String.format(Locale.ROOT, "  %8s %.4f", rate, accuracy));
      best = Math.max(best, accuracy);
      atUsual = factor == 1 ? accuracy : atUsual;
    }
    System.out.printf(Locale.ROOT, "%-20s %s%n", rule, report);
    assertTrue(atUsual >= LEAST, rule + " " + report);
    assertTrue(atUsual >= best - TOLERANCE, rule + " " + report);
  }
}
