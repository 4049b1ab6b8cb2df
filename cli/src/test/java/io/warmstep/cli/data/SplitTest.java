package io.warmstep.cli.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SplitTest {
  /** Rows whose only feature is their number, so that each can be found again. */
  private static DataSet numbered(int rows, int classes) {
    float[] features = new float[rows];
    int[] labels = new int[rows];
    for (int i = 0; i < rows; i++) {
      features[i] = 16 * i;
      labels[i] = i % classes;
    }
    return new DataSet("numbered", 1, classes, features, labels, Scaling.PIXELS);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.001, 0.03, 0.5, 0.8, 0.999})
  void everyRowIsInExactlyOnePartAndClassesKeepTheirShare(double fraction) {
    DataSet data = numbered(1000, 4);
    float[] original = data.features().clone();
    Split split = Split.of(data, fraction, 7);
    boolean[] seen = new boolean[1000];
    int[] trainOfClass = new int[4];
    for (boolean train : new boolean[] {true, false}) {
      DataSet part = train ? split.train() : split.test();
      for (int row = 0; row < part.rows(); row++) {
        int number = (int) part.features()[row];
        assertFalse(seen[number], "row " + number + " twice");
        seen[number] = true;
        assertEquals(number % 4, part.labels()[row]);
        trainOfClass[number % 4] += train ? 1 : 0;
      }
    }
    assertEquals(1000, split.train().rows() + split.test().rows());
    int expected = Math.max(1, Math.min(249, (int) Math.round(250 * fraction)));
    assertArrayEquals(new int[] {expected, expected, expected, expected}, trainOfClass);
    assertArrayEquals(original, data.features(), "the data set itself is unchanged");
  }

  @Test
  void seedDecidesTheSplit() {
    DataSet data = numbered(200, 2);
    assertArrayEquals(
        Split.of(data, 0.7, 3).train().features(), Split.of(data, 0.7, 3).train().features());
    assertFalse(
        Arrays.equals(
            Split.of(data, 0.7, 3).train().features(), Split.of(data, 0.7, 4).train().features()));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 1, -0.1, 1.5, Double.NaN})
  void fractionOutOfRangeIsRefused(double fraction) {
    DataSet data = numbered(10, 2);
    Exception e = assertThrows(IllegalArgumentException.class, () -> Split.of(data, fraction, 0));
    assertTrue(e.getMessage().contains("between 0 and 1"), e.getMessage());
  }

  @Test
  void tooFewRowsForATestAreRefused() {
    DataSet data = numbered(2, 2);
    assertThrows(IllegalArgumentException.class, () -> Split.of(data, 0.5, 0));
  }

  @Test
  void standardizationIsFittedOnTrainingRowsOnly() throws IOException {
    Split split = Split.of(DataSets.breastCancer(), 0.6, 1);
    double largestTestMean = 0;
    for (int column = 0; column < 30; column++) {
      double mean = mean(split.train(), column, 0, 1);
      assertEquals(0, mean, 1e-6, "training mean of column " + column);
      assertEquals(1, mean(split.train(), column, mean, 2), 1e-5, "variance of column " + column);
      largestTestMean = Math.max(largestTestMean, Math.abs(mean(split.test(), column, 0, 1)));
    }
    assertTrue(largestTestMean > 1e-3, "the test rows must not be centred on themselves");
  }

  @Test
  void constantFeatureBecomesZero() {
    DataSet data =
        new DataSet(
            "constant",
            1,
            2,
            new float[] {5, 5, 5, 5},
            new int[] {0, 1, 0, 1},
            Scaling.STANDARDIZE);
    assertArrayEquals(new float[2], Split.of(data, 0.5, 0).train().features());
  }

  private static double mean(DataSet data, int column, double centre, int power) {
    double sum = 0;
    for (int row = 0; row < data.rows(); row++) {
      sum += Math.pow(data.features()[row * data.columns() + column] - centre, power);
    }
    return sum / data.rows();
  }
}
