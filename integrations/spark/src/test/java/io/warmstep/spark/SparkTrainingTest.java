package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.train.Mlp;
import io.warmstep.rule.Adam;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;
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

  @Test
  void aDatasetHasTheBitsOfItsRows() {
    Dataset<Integer> ids =
        SparkSession.builder()
            .getOrCreate()
            .createDataset(digits.stream().map(Digit::id).toList(), Encoders.INT())
            .repartition(3);
    Gradients gradients = new Gradients();
    SparkTraining<Integer> training =
        SparkTraining.of(ids, id -> id)
            .parameters(initial())
            .gradients(
                (rows, model) ->
                    gradients.gradients(rows.stream().map(digits::get).toList(), model))
            .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.01).clipNorm(1))
            .batch(32)
            .workers(2)
            .steps(20);
    assertEquals(
        training(spark.parallelize(digits, 2)).steps(20).train().parameters().bits(),
        training.train().parameters().bits());
  }

  /** The first row that a task is asked about. */
  private record Begun(int attempt, int worker, int row) {}

  /** Of all tasks; they are threads of this process. */
  private static final Queue<Begun> BEGUN = new ConcurrentLinkedQueue<>();

  /** Notes where it begins; if it is to fail, then once, in the tenth step, at worker 1. */
  private static GradientFunction<Digit> noting(boolean fails) {
    Gradients gradients = new Gradients();
    AtomicBoolean hasBegun = new AtomicBoolean(); // each task has a copy
    return (rows, model) -> {
      TaskContext context = TaskContext.get();
      int row = rows.get(0).id();
      if (hasBegun.compareAndSet(false, true)) {
        BEGUN.add(new Begun(context.stageAttemptNumber(), context.partitionId(), row));
      }
      if (fails
          && row > 9 * 32
          && context.partitionId() == 1
          && context.stageAttemptNumber() == 0) {
        throw new IllegalStateException("this worker is lost");
      }
      return gradients.gradients(rows, model);
    };
  }

  /** Bits do not distinguish going on from starting over, but the rows of the first step do. */
  @Test
  void aStageThatFailedGoesOnFromTheCheckpoint(@TempDir Path folder) throws Exception {
    String expected = training(spark.parallelize(digits, 2)).steps(25).train().parameters().bits();
    Path saved = folder.resolve("run");
    BEGUN.clear();
    TrainedModel model =
        training(spark.parallelize(digits, 2))
            .gradients(noting(true))
            .workers(2)
            .steps(25)
            .checkpoint(saved, 4)
            .train();
    assertEquals(expected, model.parameters().bits());
    int eighth = 8 * 32; // step 9 was lost, the checkpoint has 8
    assertEquals(
        Set.of(
            new Begun(0, 0, 0),
            new Begun(0, 1, 16),
            new Begun(1, 0, eighth),
            new Begun(1, 1, eighth + 16)),
        Set.copyOf(BEGUN));
    try (var files = Files.list(saved)) {
      assertEquals(3, files.count(), "two shares and their list");
    }
    BEGUN.clear();
    TrainedModel longer =
        training(spark.parallelize(digits, 2))
            .gradients(noting(false))
            .workers(4)
            .steps(30)
            .checkpoint(saved, 30)
            .train();
    assertEquals(
        training(spark.parallelize(digits, 2)).steps(30).train().parameters().bits(),
        longer.parameters().bits());
    int next = (25 - 19) * 32; // 19 steps are an epoch
    assertEquals(
        Set.of(
            new Begun(0, 0, next),
            new Begun(0, 1, next + 8),
            new Begun(0, 2, next + 16),
            new Begun(0, 3, next + 24)),
        Set.copyOf(BEGUN));
  }

  /**
   * Something else fills a small file system between two checkpoints; it is gone only in the third
   * attempt.
   */
  @Test
  void aFullDiskEndsTheStageAndTheFormerCheckpointServes(@TempDir Path folder) throws Exception {
    String expected = training(spark.parallelize(digits, 2)).steps(25).train().parameters().bits();
    Path disk = Files.createDirectory(folder.resolve("disk"));
    String problem = mount(disk, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs");
    assumeTrue(problem == null, () -> "no file system can be mounted here: " + problem);
    try {
      BEGUN.clear();
      StageEvents events = new StageEvents(() -> {});
      TrainedModel model =
          events.during(
              spark,
              training(spark.parallelize(digits, 2))
                  .gradients(filling(disk.resolve("other").toString()))
                  .workers(2)
                  .steps(25)
                  .checkpoint(disk.resolve("run"), 4));
      assertEquals(expected, model.parameters().bits());
      int eighth = 8 * 32;
      assertEquals(
          Set.of(
              new Begun(0, 0, 0),
              new Begun(0, 1, 16),
              new Begun(1, 0, eighth),
              new Begun(1, 1, eighth + 16),
              new Begun(2, 0, eighth),
              new Begun(2, 1, eighth + 16)),
          Set.copyOf(BEGUN));
      events.assertFailed(Set.of(0, 1), "No space left");
    } finally {
      assertNull(mount(disk, "umount"));
    }
  }

  /** Worker 1 fills the disk after step 9, and empties it as its third attempt begins. */
  private static GradientFunction<Digit> filling(String file) {
    GradientFunction<Digit> gradients = noting(false);
    return (rows, model) -> {
      TaskContext context = TaskContext.get();
      int attempt = context.stageAttemptNumber();
      if (context.partitionId() == 1) {
        try {
          if (attempt == 0 && rows.get(0).id() > 9 * 32 && !Files.exists(Path.of(file))) {
            fill(Path.of(file));
          } else if (attempt == 2) {
            Files.deleteIfExists(Path.of(file));
          }
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
      return gradients.gradients(rows, model);
    };
  }

  private static void fill(Path file) throws IOException {
    try (OutputStream out = Files.newOutputStream(file)) {
      while (true) {
        out.write(new byte[4096]);
      }
    } catch (IOException e) {
      if (!e.getMessage().contains("No space left")) {
        throw e;
      }
    }
  }

  /** What the command said if it failed, or null. */
  private static String mount(Path disk, String... command) throws Exception {
    List<String> words = new ArrayList<>(List.of(command));
    words.add(disk.toString());
    try {
      Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.waitFor() == 0 ? null : said;
    } catch (IOException e) { // there is no such command
      return e.getMessage();
    }
  }

  @Test
  void workersThatDifferAreNamed() {
    SparkTraining<Digit> training =
        training(spark.parallelize(digits, 2))
            .optimizer(
                builder ->
                    builder
                        .rule(TaskContext.getPartitionId() == 0 ? Adam.adamW() : Adam.adam())
                        .learningRate(0.01))
            .workers(2)
            .steps(1);
    String message = assertThrows(SparkException.class, training::train).getMessage();
    assertTrue(message.contains("WorkersDifferException"), message);
    assertTrue(message.contains("worker 0") && message.contains("worker 1"), message);
  }

  /** Else their order, and with it the bits, would be that in which Spark happens to have them. */
  @Test
  void rowsThatDifferNeedKeysThatDiffer() {
    List<Digit> twice = new ArrayList<>(digits.subList(0, 100));
    twice.add(new Digit(42, digits.get(43).pixels(), 7));
    for (int partitions : new int[] {1, 4}) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> training(spark.parallelize(twice, partitions)).steps(1).train())
              .getMessage();
      assertTrue(message.startsWith("several rows have the key 42,"), message);
    }
    List<Integer> equal = List.of(3, 1, 3, 2, 3, 1);
    TrainedModel model =
        SparkTraining.of(spark.parallelize(equal, 3), row -> row)
            .parameters(Map.of("x", new float[1]))
            .gradients((rows, parameters) -> rows.stream().mapToInt(row -> row).sum())
            .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.01))
            .steps(1)
            .train();
    assertEquals(13 / 6.0, model.loss(), 1e-12, "rows that are equal may have equal keys");
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
