package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.SampleTables;
import io.warmstep.cli.data.Scaling;
import io.warmstep.cli.data.Split;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class BaselinesTest {
  private static Baselines of(DataSet data) {
    return Baselines.of(Split.of(data, 0.8, 3));
  }

  private static void assertQuality(
      double loss, double accuracy, double within, Mlp.Evaluation quality) {
    assertEquals(loss, quality.loss(), within, quality.toString());
    assertEquals(accuracy, quality.accuracy(), within, quality.toString());
  }

  @Test
  void classFrequenciesHaveTheEntropyOfTheClasses() {
    Baselines even = of(SampleTables.independent(2000, 3, 1));
    assertQuality(Math.log(2), 0.5, 0.02, even.classFrequencies());
    Baselines rare = of(SampleTables.unbalanced(2000, 0.01, 2, 1));
    double entropy = -0.01 * Math.log(0.01) - 0.99 * Math.log(0.99);
    assertQuality(entropy, 0.99, 1e-3, rare.classFrequencies());
    Baselines many = of(SampleTables.clouds(2000, 40, 5, 1, 1));
    assertQuality(Math.log(40), 1.0 / 40, 1e-6, many.classFrequencies());
  }

  @Test
  void softmaxRegressionIsTheBestThereIsForClassesThatFollowIt() {
    Baselines noisy = of(SampleTables.noisyLogistic(3000, 1.75, 1));
    assertQuality(0.5, 0.75, 0.04, noisy.softmaxRegression());
    Baselines separable = of(SampleTables.separable(400, 1));
    assertQuality(0, 1, 0.05, separable.softmaxRegression());
  }

  @Test
  void nearestNeighboursTellWhatNoLineDoes() {
    Baselines spirals = of(SampleTables.spirals(800, 2, 1.5, 1));
    assertQuality(0, 1, 0.06, spirals.nearestNeighbours());
    assertTrue(spirals.softmaxRegression().accuracy() < 0.8, spirals.toString());
  }

  @Test
  void featuresThatSayNothingHelpNoMethod() {
    Baselines none = of(SampleTables.independent(3000, 10, 1));
    for (Mlp.Evaluation quality : none.byName().values()) {
      assertQuality(Math.log(2), 0.5, 0.05, quality);
    }
  }

  @Test
  void realDataIsClassifiedWell() throws IOException {
    Baselines digits = of(DataSets.digits());
    assertQuality(0.14, 0.97, 0.04, digits.softmaxRegression());
    assertQuality(0.15, 0.98, 0.05, digits.nearestNeighbours());
    Baselines cancer = of(DataSets.breastCancer());
    assertQuality(0.12, 0.97, 0.08, cancer.softmaxRegression());
    assertEquals(
        List.of("class frequencies", "softmax regression", "nearest neighbours"),
        List.copyOf(cancer.byName().keySet()));
    assertEquals(digits, of(DataSets.digits()), "no randomness");
  }

  /** No method divides by zero, runs out of neighbours, or names a class that it never saw. */
  @Test
  void theSmallestAndThePlainestTablesHaveFiniteLosses() {
    for (int rows = 3; rows < 40; rows += 4) {
      for (Mlp.Evaluation quality : of(SampleTables.tinyWide(rows, 2, rows)).byName().values()) {
        assertTrue(Double.isFinite(quality.loss()) && quality.loss() >= 0, rows + " " + quality);
      }
    }
    int[] labels = {0, 1, 2, 0, 1, 1};
    DataSet same = new DataSet("same", 2, 3, new float[12], labels, Scaling.STANDARDIZE);
    for (Mlp.Evaluation quality : of(same).byName().values()) {
      assertTrue(Double.isFinite(quality.loss()), quality.toString());
    }
  }

  /** A table of a size that would take minutes if all rows were compared with all. */
  @Test
  void largeTablesAreSampled() {
    int rows = 40_000;
    float[] features = new float[rows * 50];
    int[] labels = new int[rows];
    for (int row = 0; row < rows; row++) {
      labels[row] = row % 2;
      Arrays.fill(features, row * 50, row * 50 + 50, (row * 7919 % 1000) / 500f + labels[row] * 5);
    }
    DataSet large = new DataSet("large", 50, 2, features, labels, Scaling.STANDARDIZE);
    Baselines baselines = of(large);
    assertQuality(0, 1, 0.05, baselines.softmaxRegression());
    assertQuality(0, 1, 0.05, baselines.nearestNeighbours());
  }
}
