package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.train.Mlp;
import io.warmstep.rule.Adam;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Digits on a Spark of this process. */
class SparkTrainingTest {
  private static JavaSparkContext spark;
  private static List<Digit> digits;

  /** A row. */
  record Digit(int id, float[] pixels, int digit) implements Serializable {}

  /** A multi-layer perceptron, made anew at each task. */
  static final class Gradients implements GradientFunction<Digit> {
    private static final long serialVersionUID = 1L;

    private transient Mlp mlp;

    static Mlp model() {
      return new Mlp(64, List.of(16), 10, 1);
    }

    @Override
    public double gradients(List<Digit> rows, ModelParameters model) {
      if (mlp == null) {
        mlp = model();
      }
      float[] features = new float[rows.size() * 64];
      int[] labels = new int[rows.size()];
      for (int i = 0; i < rows.size(); i++) {
        System.arraycopy(rows.get(i).pixels(), 0, features, i * 64, 64);
        labels[i] = rows.get(i).digit();
      }
      for (Mlp.Parameter parameter : mlp.parameters()) {
        float[] values = model.values(parameter.name());
        System.arraycopy(values, 0, parameter.values(), 0, values.length);
      }
      double loss = mlp.computeGradients(features, labels, rows.size(), 1);
      for (Mlp.Parameter parameter : mlp.parameters()) {
        float[] gradients = model.gradients(parameter.name());
        System.arraycopy(parameter.gradient(), 0, gradients, 0, gradients.length);
      }
      return loss;
    }
  }

  @BeforeAll
  static void start() throws Exception {
    spark =
        new JavaSparkContext(
            new SparkConf()
                .setMaster("local[4,4]") // a failed stage is tried again
                .setAppName("warmstep")
                .set("spark.ui.enabled", "false")
                .set("spark.driver.host", "127.0.0.1")
                .set("spark.driver.bindAddress", "127.0.0.1"));
    spark.setLogLevel("ERROR");
    DataSet data = DataSets.named("digits");
    digits = new ArrayList<>();
    for (int row = 0; row < 600; row++) {
      float[] pixels = new float[64];
      System.arraycopy(data.features(), row * 64, pixels, 0, 64);
      digits.add(new Digit(row, pixels, data.labels()[row]));
    }
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static Map<String, float[]> initial() {
    Map<String, float[]> values = new LinkedHashMap<>();
    Gradients.model().parameters().forEach(p -> values.put(p.name(), p.values()));
    return values;
  }

  private static SparkTraining<Digit> training(JavaRDD<Digit> rows) {
    return SparkTraining.of(rows, Digit::id)
        .parameters(initial())
        .gradients(new Gradients())
        .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.01).clipNorm(1))
        .batch(32)
        .limit(Duration.ofSeconds(60));
  }

  @Test
  void anyNumberOfWorkersHasTheSameBits() {
    TrainedModel one = training(spark.parallelize(digits, 3)).steps(60).train();
    assertEquals(60, one.steps());
    assertTrue(one.loss() < 1, "the loss is " + one.loss());
    List<Digit> shuffled = new ArrayList<>(digits);
    Collections.shuffle(shuffled, new Random(5));
    for (int workers : new int[] {2, 4}) {
      TrainedModel several =
          training(spark.parallelize(shuffled, 5)).workers(workers).steps(60).train();
      assertEquals(one.parameters().bits(), several.parameters().bits(), workers + " workers");
      assertEquals(one.loss(), several.loss());
    }
    TrainedModel other = training(spark.parallelize(digits, 3)).lanes(2).steps(60).train();
    assertNotEquals(one.parameters().bits(), other.parameters().bits(), "other lanes");
  }

  /** Fails once, in the middle of a step, at one of the workers. */
  private static GradientFunction<Digit> failingOnce() {
    Gradients gradients = new Gradients();
    return (rows, model) -> {
      TaskContext context = TaskContext.get();
      boolean isLate = rows.get(0).id() > 300;
      if (isLate && context.partitionId() == 1 && context.stageAttemptNumber() == 0) {
        throw new IllegalStateException("this worker is lost");
      }
      return gradients.gradients(rows, model);
    };
  }

  @Test
  void aStageThatFailedGoesOnFromTheCheckpoint(@TempDir Path folder) throws Exception {
    String expected = training(spark.parallelize(digits, 2)).steps(25).train().parameters().bits();
    Path saved = folder.resolve("run");
    TrainedModel model =
        training(spark.parallelize(digits, 2))
            .gradients(failingOnce())
            .workers(2)
            .steps(25)
            .checkpoint(saved, 4)
            .train();
    assertEquals(expected, model.parameters().bits());
    try (var files = Files.list(saved)) {
      assertEquals(3, files.count(), "two shares and their list");
    }
    TrainedModel longer =
        training(spark.parallelize(digits, 2)).workers(4).steps(30).checkpoint(saved, 30).train();
    assertEquals(
        training(spark.parallelize(digits, 2)).steps(30).train().parameters().bits(),
        longer.parameters().bits());
  }

  @Test
  void whatIsMissingIsSaid() {
    JavaRDD<Digit> none = spark.parallelize(List.<Digit>of(), 1);
    String message =
        assertThrows(IllegalStateException.class, () -> SparkTraining.of(none, Digit::id).train())
            .getMessage();
    assertTrue(message.contains("are required"), message);
    assertThrows(IllegalStateException.class, () -> training(none).steps(1).train());
    assertThrows(
        IllegalArgumentException.class,
        () -> training(spark.parallelize(digits, 1)).workers(9).steps(1).train());
  }
}
