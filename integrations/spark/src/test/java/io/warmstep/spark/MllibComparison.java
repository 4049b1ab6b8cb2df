package io.warmstep.spark;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.classification.MultilayerPerceptronClassifier;
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Time to an accuracy on digits, of {@link MlpClassifier} and of MLlib's classifier with L-BFGS, in
 * turns within one run. Both have one hidden layer of 64, the same rows, two tasks on {@code
 * local[2]}, and as many epochs or iterations as the first of some settings that reaches the
 * accuracy; of that, the time of {@code fit}. No test: the class path is that of the tests.
 */
final class MllibComparison {
  private static final double[] TARGETS = {0.95, 0.965};
  private static final int[] EPOCHS = {3, 5, 8, 12, 20, 30, 50};
  private static final int[] ITERATIONS = {10, 15, 20, 30, 45, 70, 100, 150};
  private static final int SEEDS = 5;

  private MllibComparison() {}

  /** A fit that reached an accuracy. */
  private record Reached(int setting, double seconds) {}

  public static void main(String[] arguments) throws Exception {
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .getOrCreate();
    spark.sparkContext().setLogLevel("OFF");
    DataSet data = DataSets.named("digits");
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < data.rows(); i++) {
      double[] features = new double[64];
      for (int j = 0; j < 64; j++) {
        features[j] = data.features()[i * 64 + j];
      }
      rows.add(RowFactory.create(Vectors.dense(features), (double) data.labels()[i]));
    }
    StructType schema =
        new StructType()
            .add("features", SQLDataTypes.VectorType())
            .add("label", DataTypes.DoubleType);
    Dataset<Row>[] parts =
        spark.createDataFrame(rows, schema).randomSplit(new double[] {0.8, 0.2}, 7);
    Dataset<Row> training = parts[0].repartition(2).cache();
    Dataset<Row> test = parts[1].cache();
    System.out.println(training.count() + " rows to train on, " + test.count() + " to test on");
    BiFunction<Integer, Integer, Model<?>> warmstep =
        (seed, epochs) ->
            new MlpClassifier().setWorkers(2).setSeed(seed).setEpochs(epochs).fit(training);
    BiFunction<Integer, Integer, Model<?>> mllib =
        (seed, iterations) ->
            new MultilayerPerceptronClassifier()
                .setLayers(new int[] {64, 64, 10})
                .setSeed(seed)
                .setMaxIter(iterations)
                .setTol(0)
                .fit(training);
    for (int seed = 100; seed < 102; seed++) { // warms up
      System.out.println(times(warmstep, seed, new int[] {20}, test)[0].seconds);
      System.out.println(times(mllib, seed, new int[] {50}, test)[0].seconds);
    }
    double[][] seconds = new double[2 * TARGETS.length][SEEDS];
    for (int seed = 1; seed <= SEEDS; seed++) {
      Reached[] ours = times(warmstep, seed, EPOCHS, test);
      Reached[] theirs = times(mllib, seed, ITERATIONS, test);
      for (int i = 0; i < TARGETS.length; i++) {
        seconds[2 * i][seed - 1] = ours[i].seconds;
        seconds[2 * i + 1][seed - 1] = theirs[i].seconds;
        System.out.printf(
            Locale.ROOT,
            "seed %d, accuracy %.3f: warmstep %2d epochs %5.2f s, MLlib %3d iterations %5.2f s%n",
            seed,
            TARGETS[i],
            ours[i].setting,
            ours[i].seconds,
            theirs[i].setting,
            theirs[i].seconds);
      }
    }
    for (int i = 0; i < TARGETS.length; i++) {
      System.out.printf(
          Locale.ROOT,
          "median to %.3f: warmstep %.2f s, MLlib %.2f s%n",
          TARGETS[i],
          median(seconds[2 * i]),
          median(seconds[2 * i + 1]));
    }
    spark.stop();
  }

  private static double median(double[] seconds) {
    double[] sorted = seconds.clone();
    Arrays.sort(sorted); // infinities, of what was not reached, last
    return sorted[sorted.length / 2];
  }

  private static Reached[] times(
      BiFunction<Integer, Integer, Model<?>> fit, int seed, int[] settings, Dataset<Row> test) {
    Reached[] reached = new Reached[TARGETS.length];
    Arrays.fill(reached, new Reached(0, Double.POSITIVE_INFINITY));
    for (int setting : settings) {
      long start = System.nanoTime();
      Model<?> model = fit.apply(seed, setting);
      double took = (System.nanoTime() - start) / 1e9;
      double accuracy =
          new MulticlassClassificationEvaluator()
              .setMetricName("accuracy")
              .evaluate(model.transform(test));
      for (int i = 0; i < TARGETS.length; i++) {
        if (accuracy >= TARGETS[i] && reached[i].setting == 0) {
          reached[i] = new Reached(setting, took);
        }
      }
      if (reached[TARGETS.length - 1].setting != 0) {
        break;
      }
    }
    return reached;
  }
}
