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
 * What state in fewer bits costs in accuracy: {@code train} with all tensors' state stored so, from
 * the same seeds as with float32, by the paired differences of the test accuracy. Takes very long,
 * so it runs on request alone, as {@link UsualRateSweep} does.
 */
class StateTypeSweep {
  private static final int SEEDS = Integer.getInteger("seeds", 30);

  /** Quantile of Student's t for 29 degrees of freedom, two-sided 95 %. */
  private static final double T_95 = 2.045;

  /** Share of the test rows that may be lost at most, by the interval's lower end. */
  private static final double MOST_LOST = 0.005;

  private static final String[] STORED = {
    "--state=bfloat16", "--state=int8", "--state=int8 --rounding=stochastic"
  };

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
      for (String stored : STORED) {
        double[] fewer = accuracies(options + " --small-tensor=0 " + stored);
        double[] differences = new double[SEEDS];
        Arrays.setAll(differences, seed -> fewer[seed] - whole[seed]);
        double mean = Arrays.stream(differences).average().orElseThrow();
        double squares = Arrays.stream(differences).map(one -> (one - mean) * (one - mean)).sum();
        double half = T_95 * Math.sqrt(squares / (SEEDS - 1) / SEEDS);
        String line =
            String.format(
                Locale.ROOT,
                "%s %s: %.2f in float32, %+.2f (%+.2f to %+.2f) points",
                options,
                stored,
                100 * Arrays.stream(whole).average().orElseThrow(),
                100 * mean,
                100 * (mean - half),
                100 * (mean + half));
        System.out.println(line);
        if (mean - half < -MOST_LOST) {
          lost.add(line);
        }
      }
    }
    assertTrue(lost.isEmpty(), String.join("\n", lost));
  }
}
