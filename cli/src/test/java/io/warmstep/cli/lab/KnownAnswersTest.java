package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.SampleTables;
import io.warmstep.cli.data.Scaling;
import io.warmstep.cli.train.Baselines;
import io.warmstep.schedule.FitVerdict.Fit;
import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Studies of cases that were built to have a known answer. */
class KnownAnswersTest {
  private static final LabPlan PLAN = new LabPlan("test", 2, 200, 60, 4, 3, 600, 6, 9, 3);

  private interface Check {
    void accept(Findings findings, Section section);
  }

  private static void study(LabTask task, double rate, Function<Bench, Study> study, Check check) {
    Progress silent =
        new Progress() {
          @Override
          public void begin(String what) {}

          @Override
          public void advance(int steps) {}
        };
    try (Device device = Devices.cpu(1);
        Workbench work = new Workbench(device, 2, silent)) {
      Baselines baselines = Baselines.of(task.split());
      Bench bench =
          new Bench(task, baselines, PLAN, work, new Findings(), new Recorder(), new JsonObject());
      bench.findings().rate = rate;
      bench.findings().rangeSuggestion = rate;
      bench.findings().chance = baselines.classFrequencies().loss();
      check.accept(bench.findings(), study.apply(bench).run());
    }
  }

  private static JsonObject chart(Section section, String id) {
    return section.charts().stream()
        .filter(chart -> chart.id().equals(id))
        .findFirst()
        .orElseThrow()
        .toJson();
  }

  /** The class is the sign of a product, which one hidden unit cannot learn. */
  private static DataSet checkerboard(int rows) {
    SplittableRandom random = new SplittableRandom(1);
    float[] features = new float[2 * rows];
    int[] labels = new int[rows];
    for (int i = 0; i < rows; i++) {
      float x = (float) (2 * random.nextDouble() - 1);
      float y = (float) (2 * random.nextDouble() - 1);
      features[2 * i] = x;
      features[2 * i + 1] = y;
      labels[i] = x * y > 0 ? 1 : 0;
    }
    return new DataSet("checkerboard", 2, 2, features, labels, Scaling.STANDARDIZE);
  }

  /** Classes drawn at random: all that can be learned is the rows themselves. */
  private static DataSet noise(int rows, int columns) {
    SplittableRandom random = new SplittableRandom(2);
    float[] features = new float[columns * rows];
    for (int i = 0; i < features.length; i++) {
      features[i] = (float) random.nextDouble();
    }
    int[] labels = new int[rows];
    for (int i = 0; i < rows; i++) {
      labels[i] = random.nextInt(2);
    }
    return new DataSet("noise", columns, 2, features, labels, Scaling.STANDARDIZE);
  }

  @Test
  void aModelThatIsTooSmallUnderFits() {
    study(
        TinyLab.task(checkerboard(500), List.of(1), "adam", 0),
        0.03,
        FitStudy::new,
        (findings, section) -> {
          assertEquals(Fit.UNDER_FITTING, findings.fit.fit(), findings.fit.reason());
          assertEquals(Fit.APPROPRIATE, findings.fits.get("large").fit());
          assertNotEquals("small", findings.bestModel);
          assertTrue(
              new Conclusion(bench(findings))
                  .advice().stream().anyMatch(advice -> advice.contains("“large")),
              "the advice names the larger model");
        });
  }

  private static Bench bench(Findings findings) {
    return new Bench(
        TinyLab.task(checkerboard(50), List.of(1), "adam", 0),
        null,
        PLAN,
        null,
        findings,
        new Recorder(),
        new JsonObject());
  }

  @Test
  void aModelThatIsTooLargeForNoiseOverFits() {
    study(
        TinyLab.task(noise(150, 20), List.of(64), "adam", 0),
        0.01,
        FitStudy::new,
        (findings, section) -> {
          assertEquals(Fit.OVER_FITTING, findings.fit.fit(), findings.fit.reason());
          assertEquals(Fit.OVER_FITTING, findings.fits.get("large").fit());
          JsonObject table = chart(section, "fit-verdicts");
          assertEquals(4, table.getAsJsonArray("rows").size(), "nothing had to be made noisy");
          // Early stopping would have stopped long before the end.
          int stop = table.getAsJsonArray("rows").get(1).getAsJsonArray().get(8).getAsInt();
          assertTrue(stop < PLAN.fitSteps() / 3, "step " + stop);
        });
  }

  @Test
  void whereNothingOverFitsTheLabShowsWhatItWouldLookLike() throws IOException {
    study(
        TinyLab.task(DataSets.breastCancer(), List.of(8), "adam", 0),
        0.02,
        FitStudy::new,
        (findings, section) -> {
          assertEquals(Fit.APPROPRIATE, findings.fit.fit(), findings.fit.reason());
          JsonObject table = chart(section, "fit-verdicts");
          assertEquals(8, table.getAsJsonArray("rows").size());
          assertEquals(
              "over-fitting",
              table.getAsJsonArray("rows").get(6).getAsJsonArray().get(9).getAsString(),
              "the large model on few and noisy rows");
        });
  }

  /** Adam at ten times its rate on the digits: a warm-up makes the difference. */
  @Test
  void aRunThatNeedsWarmUpIsFound() throws IOException {
    study(
        TinyLab.task(DataSets.digits(), List.of(32), "adam", 0),
        0.02,
        ScheduleStudy::new,
        (findings, section) -> {
          JsonObject chart = chart(section, "warm-up-rescue");
          assertTrue(
              chart
                  .get("title")
                  .getAsString()
                  .matches("(At .* a warm-up brings|A warm-up raises).*"),
              chart.get("title").getAsString());
        });
  }

  /** A task so easy that no rate of the sweep fails has no edge, and that is not made up. */
  @Test
  void ratesThatAllTrainHaveNoEdge() {
    study(
        TinyLab.task(noise(60, 3), List.of(2), "adam", 0),
        1e-5,
        RateStudy::new,
        (findings, section) -> {
          assertTrue(Double.isNaN(findings.divergesFrom), "diverges " + findings.divergesFrom);
          assertNull(findings.fit);
          assertTrue(findings.low <= findings.rate && findings.rate <= findings.high);
        });
  }

  /** What trains well on few rows and many columns is far below what the range test suggests. */
  @Test
  void theRatesThatAreTriedReachBeyondTheBest() {
    study(
        TinyLab.task(SampleTables.tinyWide(60, 80, 3), List.of(16), "adam", 1),
        15,
        RateStudy::new,
        (findings, section) -> {
          assertTrue(findings.rate < 0.1, "rate " + findings.rate);
          assertFalse(findings.isRateAtTheEnd);
          assertTrue(findings.low <= findings.rate && findings.rate <= findings.high);
        });
  }

  /** A rate between two that were tried is safe as far as a line between them says. */
  @Test
  void whatTheRangeTestSuggestsStandsIfRealRunsAreAsGood() throws IOException {
    study(
        TinyLab.task(DataSets.breastCancer(), List.of(8), "adam", 1),
        0.03,
        RateStudy::new,
        (findings, section) -> {
          assertEquals(0.03, findings.rate);
          assertTrue(findings.low < 0.03, "low " + findings.low);
          assertTrue(findings.high > 0.03, "high " + findings.high);
        });
  }
}
