package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.SampleTables;
import io.warmstep.cli.data.Split;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.FitVerdict;
import io.warmstep.testkit.RuleMatrix;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Verdicts on runs whose right verdict is known from how their tables were made. */
class RunVerdictTest {
  private static DataSet table(String name, long seed) {
    switch (name) {
      case "noisy": // the best accuracy is 0.76, the best loss 0.49
        return SampleTables.noisyLogistic(3000, 1.75, seed);
      case "independent":
        return SampleTables.independent(1500, 10, seed);
      case "wide":
        return SampleTables.tinyWide(40, 200, seed);
      case "separable":
        return SampleTables.separable(400, seed);
      case "spirals":
        return SampleTables.spirals(600, 2, 1, seed);
      case "many-classes":
        return SampleTables.clouds(1600, 40, 12, 2, seed);
      case "few-rows":
        return SampleTables.separable(40, seed);
      case "ninety-ten":
        return SampleTables.unbalanced(1500, 0.1, 3, seed);
      case "ninety-nine":
        return SampleTables.unbalanced(3000, 0.01, 4, seed);
      case "mislabelled": // a quarter of the labels: the best accuracy is 0.75, the best loss 0.56
        return SampleTables.mislabelled(2000, 0.25, seed);
      case "rings":
        return SampleTables.rings(1000, 0.45, seed);
      case "three-arms":
        return SampleTables.spirals(900, 3, 0.9, seed);
      case "hidden-product":
        return SampleTables.hiddenProduct(3000, seed);
      default:
        throw new IllegalArgumentException(name);
    }
  }

  private static FitVerdict judge(
      DataSet data, List<Integer> hidden, double rate, int epochs, long seed) {
    Split split = Split.of(data, 0.8, seed);
    Mlp model = new Mlp(data.columns(), hidden, data.classes(), seed);
    Trainer trainer = new Trainer(model, split, 16, epochs, seed);
    LearningRate schedule =
        LearningRate.of(ScheduleChoice.COSINE, null, rate, trainer.steps(), Adam.adam());
    try (Device device = Devices.cpu(1);
        OptimizerUpdate update =
            new OptimizerUpdate(device, model, Adam.adam(), schedule, Clipping.NONE)) {
      History history = trainer.run(update, new Trainer.Listener() {});
      return RunVerdict.of(history, Baselines.of(split), model.losses(split.test()));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "noisy,        16,    0,    5,   under-fitting, the learning rate is 0",
    "noisy,        16,    1e-6, 20,  under-fitting, may be too low",
    "noisy,        16,    1e-5, 20,  under-fitting, may be too low",
    "noisy,        16,    1e-3, 20,  appropriate,   ''",
    "noisy,        4,     1e-2, 20,  appropriate,   ''",
    "noisy,        16,    10,   20,  under-fitting, may be too high",
    "noisy,        256,   1e-2, 30,  over-fitting,  weight decay",
    "independent,  16,    1e-6, 20,  under-fitting, may be too low",
    "independent,  4,     1e-2, 10,  appropriate,   ''",
    "independent,  128,   1e-2, 30,  over-fitting,  weight decay",
    "wide,         64,    1e-2, 40,  over-fitting,  weight decay",
    "wide,         64,    1e-6, 40,  under-fitting, may be too low",
    "separable,    32,    1e-2, 40,  appropriate,   ''",
    "separable,    32,    1e-5, 40,  under-fitting, may be too low",
    "spirals,      64,    3e-2, 80,  appropriate,   ''",
    "spirals,      2,     3e-2, 40,  under-fitting, model",
    "spirals,      64,    1e-5, 40,  under-fitting, may be too low",
    "spirals,      64,    3e-2, 2,   under-fitting, epochs too few",
    "many-classes, 64,    1e-2, 30,  appropriate,   ''",
    "many-classes, 2,     1e-2, 30,  under-fitting, model",
    "many-classes, 64,    1e-5, 30,  under-fitting, may be too low",
    "few-rows,     8,     3e-2, 60,  appropriate,   only 8 test rows",
    "ninety-ten,   16,    1e-5, 20,  under-fitting, may be too low",
    "ninety-ten,   4,     1e-2, 20,  appropriate,   ''",
    "ninety-ten,   128,   3e-2, 100, over-fitting,  weight decay",
    "ninety-nine,  16,    1e-5, 10,  under-fitting, may be too low",
    "ninety-nine,  4,     1e-2, 10,  appropriate,   ''",
    "mislabelled,  8,     1e-2, 20,  appropriate,   ''",
    "mislabelled,  256,   1e-2, 60,  over-fitting,  weight decay",
    "mislabelled,  8,     1e-6, 20,  under-fitting, may be too low",
    "rings,        32,    1e-2, 40,  appropriate,   ''",
    "rings,        1,     1e-2, 40,  under-fitting, model",
    "three-arms,   64,    3e-2, 80,  appropriate,   ''",
    "three-arms,   32,    3e-3, 5,   under-fitting, epochs too few",
    "hidden-product, 32,  1e-2, 40,  appropriate,   ''",
    "hidden-product, 1,   1e-2, 40,  under-fitting, model",
  })
  void theVerdictIsTheOneThatTheTableWasMadeFor(
      String table, String hidden, double rate, int epochs, String fit, String advice) {
    List<Integer> sizes = Stream.of(hidden.split(" ")).map(Integer::valueOf).toList();
    // Each row has one of two seeds, or both if the matrix is full.
    long turn = 1 + Math.floorMod((table + hidden + rate + epochs).hashCode(), 2);
    for (long seed : RuleMatrix.IS_FULL ? new long[] {1, 2} : new long[] {turn}) {
      FitVerdict verdict = judge(table(table, seed), sizes, rate, epochs, seed);
      String message = "seed " + seed + ": " + verdict;
      assertEquals(fit, verdict.fit().toString(), message);
      assertTrue(verdict.advice().toString().contains(advice), message);
      assertTrue(!advice.isEmpty() || verdict.advice().isEmpty(), message);
    }
  }
}
