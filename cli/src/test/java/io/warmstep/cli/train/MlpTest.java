package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.Scaling;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MlpTest {
  private static DataSet random(int rows, int columns, int classes, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] features = new float[rows * columns];
    for (int i = 0; i < features.length; i++) {
      features[i] = (float) (random.nextDouble() * 2 - 1);
    }
    int[] labels = random.ints(rows, 0, classes).toArray();
    return new DataSet("random", columns, classes, features, labels, Scaling.PIXELS);
  }

  @Test
  void parametersHaveNamesAndShapes() {
    Mlp model = new Mlp(5, List.of(4, 3), 2, 1);
    assertEquals(
        "dense1.weight[5, 4] dense1.bias[4] dense2.weight[4, 3] dense2.bias[3]"
            + " dense3.weight[3, 2] dense3.bias[2]",
        model.parameters().stream()
            .map(p -> p.name() + java.util.Arrays.toString(p.shape()))
            .collect(Collectors.joining(" ")));
  }

  /** Analytic against central differences, for odd sizes and every parameter. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void gradientAgreesWithFiniteDifferences(long seed) {
    DataSet data = random(7, 5, 3, seed);
    Mlp model = new Mlp(5, List.of(6, 9), 3, seed);
    model.computeGradients(data.features(), data.labels(), data.rows());
    float[][] gradients =
        model.parameters().stream().map(p -> p.gradient().clone()).toArray(float[][]::new);
    float h = 1f / 512;
    int compared = 0;
    for (int p = 0; p < gradients.length; p++) {
      Mlp.Parameter parameter = model.parameters().get(p);
      for (int i = 0; i < gradients[p].length; i++) {
        float kept = parameter.values()[i];
        double slope =
            (lossAt(model, parameter, i, kept + h, data)
                    - lossAt(model, parameter, i, kept - h, data))
                / (2 * h);
        double halfSlope =
            (lossAt(model, parameter, i, kept + h / 2, data)
                    - lossAt(model, parameter, i, kept - h / 2, data))
                / h;
        parameter.values()[i] = kept;
        // A kink of a ReLU between the two points makes the differences disagree with each other.
        if (Math.abs(slope - halfSlope) < 5e-4) {
          compared++;
          assertEquals(
              slope,
              gradients[p][i],
              1e-3,
              "seed " + seed + ", " + parameter.name() + "[" + i + "]");
        }
      }
    }
    int total = 5 * 6 + 6 + 6 * 9 + 9 + 9 * 3 + 3;
    assertTrue(compared > 0.9 * total, "seed " + seed + ": compared only " + compared);
  }

  private static double lossAt(
      Mlp model, Mlp.Parameter parameter, int index, float value, DataSet data) {
    parameter.values()[index] = value;
    return model.evaluate(data).loss();
  }

  @Test
  void lossOfAnUninformedModelIsLogOfClasses() {
    Mlp model = new Mlp(4, List.of(), 5, 1);
    java.util.Arrays.fill(model.parameters().get(0).values(), 0f);
    DataSet data = random(11, 4, 5, 3);
    assertEquals(Math.log(5), model.evaluate(data).loss(), 1e-12);
    assertEquals(Math.log(5), model.computeGradients(data.features(), data.labels(), 11), 1e-12);
  }

  @Test
  void largeLogitsDoNotOverflow() {
    Mlp model = new Mlp(1, List.of(), 2, 1);
    float[] weight = model.parameters().get(0).values();
    weight[0] = 1e30f;
    weight[1] = -1e30f;
    DataSet data = new DataSet("two", 1, 2, new float[] {1, -1}, new int[] {0, 0}, Scaling.PIXELS);
    assertEquals(0.5, model.evaluate(data).accuracy());
    assertEquals(1e30, model.evaluate(data).loss(), 1e24);
  }

  @Test
  void evaluationDoesNotDependOnHowRowsAreCut() {
    // More rows than one evaluation takes at once, and a last cut that is not full.
    DataSet data = random(600, 3, 4, 5);
    Mlp model = new Mlp(3, List.of(8), 4, 2);
    double sum = 0;
    for (int row = 0; row < 600; row++) {
      float[] features = java.util.Arrays.copyOfRange(data.features(), row * 3, row * 3 + 3);
      sum += model.computeGradients(features, new int[] {data.labels()[row]}, 1);
    }
    assertEquals(sum / 600, model.evaluate(data).loss(), 1e-12);
  }

  @Test
  void badSizesAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Mlp(0, List.of(), 2, 1));
    assertThrows(IllegalArgumentException.class, () -> new Mlp(3, List.of(), 1, 1));
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> new Mlp(3, List.of(4, 0), 2, 1));
    assertTrue(e.getMessage().contains("--hidden is 0"), e.getMessage());
  }
}
