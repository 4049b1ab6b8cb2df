package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonParser;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What state and masters in fewer bits cost in accuracy: {@code train} with all tensors' state
 * stored so, from the same seeds as with float32, or with masters of 24 bits as with exact ones, by
 * the paired differences of the test accuracy. Takes very long, so it runs on request alone, as
 * {@link UsualRateSweep} does.
 */
class StateTypeSweep {
  private static final int SEEDS = Integer.getInteger("seeds", 30);

  /** About the quantile of Student's t, two-sided 95 %, for 20 seeds or more. */
  private static final double T_95 = 1.96 + 2.5 / (SEEDS - 1);

  /** Share of the test rows that may be lost at most, by the interval's lower end. */
  private static final double MAX_LOST = 0.005;

  /** Codes are rounded at random only where there are squares. */
  private static List<String> stored(String rule) {
    return rule.equals("momentum")
        ? List.of("--state=bfloat16", "--state=int8")
        : List.of("--state=bfloat16", "--state=int8", "--state=int8 --rounding=stochastic");
  }

  private static double[] accuracies(String options) {
    return IntStream.range(0, SEEDS)
        .parallel()
        .mapToDouble(
            seed -> {
              List<String> arguments = new ArrayList<>(List.of("train", "--json"));
              arguments.addAll(Arrays.asList(options.split(" ", -1)));
              arguments.add("--seed=" + seed);
              CommandRun run = CommandRun.run(arguments.toArray(String[]::new));
              assertEquals(0, run.exitCode(), run.err());
              return JsonParser.parseString(run.out())
                  .getAsJsonObject()
                  .get("test_accuracy")
                  .getAsDouble();
            })
        .toArray();
  }

  /** The second data set of digits is harder: few rows to learn from, and a deeper model. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "--data=digits",
        "--data=breast-cancer",
        "--data=digits --train-fraction=0.15 --hidden=64,64,64 --epochs=60"
      })
  void nothingIsLostThatMatters(String task) {
    List<String> lost = new ArrayList<>();
    for (String rule : List.of("adamw", "momentum", "rmsprop")) {
      String options = task + " --rule=" + rule;
      double[] whole = accuracies(options);
      for (String stored : stored(rule)) {
        Interval found =
            compare(
                options + " " + stored, whole, accuracies(options + " --small-tensor=0 " + stored));
        if (found.from < -MAX_LOST) {
          lost.add(found.line);
        }
      }
    }
    assertTrue(lost.isEmpty(), String.join("\n", lost));
  }

  /** No difference shows between masters of 24 bits and exact ones. */
  @ParameterizedTest
  @ValueSource(strings = {"--data=digits", "--data=breast-cancer"})
  void mastersOf24BitsLoseNothing(String task) {
    List<String> lost = new ArrayList<>();
    for (String rule : List.of("adamw", "momentum")) {
      String options = task + " --rule=" + rule + " --dtype=bfloat16 --master=";
      double[] exact = accuracies(options + "exact");
      for (String fewer : List.of("24bit", "24bit --rounding=stochastic")) {
        Interval found = compare(options + fewer, exact, accuracies(options + fewer));
        if (found.to < 0) {
          lost.add(found.line);
        }
      }
    }
    assertTrue(lost.isEmpty(), String.join("\n", lost));
  }

  /** Of 95 %, of what is gained. */
  private record Interval(double from, double to, String line) {}

  private static Interval compare(String options, double[] whole, double[] fewer) {
    double[] differences = new double[SEEDS];
    Arrays.setAll(differences, seed -> fewer[seed] - whole[seed]);
    double mean = Arrays.stream(differences).average().orElseThrow();
    double squares = Arrays.stream(differences).map(one -> (one - mean) * (one - mean)).sum();
    double half = T_95 * Math.sqrt(squares / (SEEDS - 1) / SEEDS);
    String line =
        String.format(
            Locale.ROOT,
            "%s: %.2f with all bits, %+.2f (%+.2f to %+.2f) points",
            options,
            100 * Arrays.stream(whole).average().orElseThrow(),
            100 * mean,
            100 * (mean - half),
            100 * (mean + half));
    System.out.println(line);
    return new Interval(mean - half, mean + half, line);
  }
}
