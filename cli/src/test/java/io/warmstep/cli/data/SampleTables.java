package io.warmstep.cli.data;

import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Tables whose best possible result is known or plain to see, made from a seed: what a verdict on a
 * model's fit must be right about.
 */
public final class SampleTables {
  private SampleTables() {}

  private static DataSet table(String name, int classes, float[][] rows, int[] labels) {
    int columns = rows[0].length;
    float[] features = new float[rows.length * columns];
    for (int row = 0; row < rows.length; row++) {
      System.arraycopy(rows[row], 0, features, row * columns, columns);
    }
    return new DataSet(name, columns, classes, features, labels, Scaling.STANDARDIZE);
  }

  private static float[][] normal(int rows, int columns, SplittableRandom random) {
    float[][] values = new float[rows][columns];
    for (float[] row : values) {
      for (int i = 0; i < columns; i++) {
        row[i] = (float) gaussian(random);
      }
    }
    return values;
  }

  private static double gaussian(SplittableRandom random) {
    double radius = Math.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
    return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
  }

  /**
   * Two classes that follow a logistic function of ten normal columns. With a slope of 1.75 no
   * model can have an accuracy above 0.76 or so, or a loss below 0.49.
   */
  public static DataSet noisyLogistic(int rows, double slope, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, 10, random);
    int[] labels =
        IntStream.range(0, rows)
            .map(
                row -> {
                  double sum = 0;
                  for (int i = 0; i < 10; i++) {
                    sum += (i % 2 == 0 ? 1 : -1) * x[row][i];
                  }
                  double logit = slope * sum / Math.sqrt(10);
                  return random.nextDouble() < 1 / (1 + StrictMath.exp(-logit)) ? 1 : 0;
                })
            .toArray();
    return table("noisy-logistic", 2, x, labels);
  }

  /** Two classes that have nothing to do with the columns. */
  public static DataSet independent(int rows, int columns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, columns, random);
    return table("independent", 2, x, random.ints(rows, 0, 2).toArray());
  }

  /** Fewer rows than columns, of which one says something about the class. */
  public static DataSet tinyWide(int rows, int columns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, columns, random);
    int[] labels = IntStream.range(0, rows).map(row -> row % 2).toArray();
    for (int row = 0; row < rows; row++) {
      x[row][0] += labels[row] == 0 ? -0.5f : 0.5f;
    }
    return table("tiny-wide", 2, x, labels);
  }

  /** Two classes on either side of a plane, with room between them. */
  public static DataSet separable(int rows, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, 5, random);
    int[] labels = IntStream.range(0, rows).map(row -> row % 2).toArray();
    for (int row = 0; row < rows; row++) {
      x[row][0] = (labels[row] == 0 ? -1 : 1) * (1 + Math.abs(x[row][0]));
    }
    return table("separable", 2, x, labels);
  }

  /** Arms of a spiral around each other, one for each class; a line separates next to nothing. */
  public static DataSet spirals(int rows, int classes, double turns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = new float[rows][2];
    int[] labels = IntStream.range(0, rows).map(row -> row % classes).toArray();
    for (int row = 0; row < rows; row++) {
      double along = Math.sqrt(random.nextDouble());
      double angle = 2 * Math.PI * (turns * along + (double) labels[row] / classes);
      x[row][0] = (float) (along * StrictMath.cos(angle) + 0.02 * gaussian(random));
      x[row][1] = (float) (along * StrictMath.sin(angle) + 0.02 * gaussian(random));
    }
    return table("spirals", classes, x, labels);
  }

  /** Clouds around random centers, one for each class, as far apart as {@code distance} says. */
  public static DataSet clouds(int rows, int classes, int columns, double distance, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] centers = normal(classes, columns, random);
    float[][] x = normal(rows, columns, random);
    int[] labels = IntStream.range(0, rows).map(row -> row % classes).toArray();
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < columns; i++) {
        x[row][i] += (float) distance * centers[labels[row]][i];
      }
    }
    return table("clouds", classes, x, labels);
  }

  /** Two overlapping clouds, of which the second has only some of the rows. */
  public static DataSet unbalanced(int rows, double share, double distance, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, 6, random);
    int[] labels = IntStream.range(0, rows).map(row -> row < rows * share ? 1 : 0).toArray();
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < 6; i++) {
        x[row][i] += (float) (labels[row] * distance / Math.sqrt(6));
      }
    }
    return table("unbalanced", 2, x, labels);
  }

  /** The class is the side of a plane, but for a share of the rows, which have a wrong one. */
  public static DataSet mislabelled(int rows, double share, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, 5, random);
    int[] labels = IntStream.range(0, rows).map(row -> x[row][0] > x[row][1] ? 1 : 0).toArray();
    for (int row = 0; row < rows; row++) {
      labels[row] = random.nextDouble() < share ? 1 - labels[row] : labels[row];
    }
    return table("mislabelled", 2, x, labels);
  }

  /** Two rings around each other that overlap; the radius alone gives the class, not always. */
  public static DataSet rings(int rows, double spread, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = new float[rows][2];
    int[] labels = IntStream.range(0, rows).map(row -> row % 2).toArray();
    for (int row = 0; row < rows; row++) {
      double radius = 1 + labels[row] + spread * gaussian(random);
      double angle = 2 * Math.PI * random.nextDouble();
      x[row][0] = (float) (radius * StrictMath.cos(angle));
      x[row][1] = (float) (radius * StrictMath.sin(angle));
    }
    return table("rings", 2, x, labels);
  }

  /** The class is the sign of the product of two columns among ten. */
  public static DataSet hiddenProduct(int rows, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] x = normal(rows, 10, random);
    int[] labels = IntStream.range(0, rows).map(row -> x[row][3] * x[row][7] > 0 ? 1 : 0).toArray();
    return table("hidden-product", 2, x, labels);
  }

  /** A table as a CSV file that {@code train --data} reads. */
  public static String csv(DataSet table) {
    StringBuilder text = new StringBuilder();
    for (int row = 0; row < table.rows(); row++) {
      for (int i = 0; i < table.columns(); i++) {
        text.append(table.features()[row * table.columns() + i]).append(',');
      }
      text.append(table.labels()[row]).append('\n');
    }
    return text.toString();
  }
}
