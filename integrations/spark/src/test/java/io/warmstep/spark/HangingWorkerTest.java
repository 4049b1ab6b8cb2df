package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Adam;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A Spark that has no task slot to spare for one that a worker does not give back. */
class HangingWorkerTest {
  private static final String INTERRUPTS = "spark.job.interruptOnCancel";
  private static final AtomicBoolean HUNG = new AtomicBoolean();

  /**
   * The first row that a worker is asked about in an attempt; tasks are threads of this process.
   */
  private static final Map<String, Integer> BEGUN = new ConcurrentHashMap<>();

  /** A line's slope: the gradient of half the squared distance. */
  private static double line(List<Integer> rows, ModelParameters model) {
    double loss = 0;
    float slope = model.values("slope")[0];
    for (int row : rows) {
      float x = row / 64f;
      float error = slope * x - 3 * x;
      model.gradients("slope")[0] += error * x;
      loss += 0.5 * error * error;
    }
    return loss;
  }

  private static SparkTraining<Integer> training(JavaSparkContext spark) {
    List<Integer> rows = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      rows.add(i);
    }
    return SparkTraining.of(spark.parallelize(rows, 2), row -> row)
        .parameters(Map.of("slope", new float[1]))
        .gradients(HangingWorkerTest::line)
        .optimizer(builder -> builder.rule(Adam.adamW()).learningRate(0.1))
        .batch(16)
        .steps(8);
  }

  /** At worker 1, in the third step of its first attempt, for good. */
  private static double hanging(List<Integer> rows, ModelParameters model) {
    TaskContext context = TaskContext.get();
    int first = rows.get(0);
    BEGUN.putIfAbsent(
        "attempt " + context.stageAttemptNumber() + ", worker " + context.partitionId(), first);
    if (first >= 2 * 16 && context.partitionId() == 1 && context.stageAttemptNumber() == 0) {
      HUNG.set(true);
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted", e);
      }
    }
    return line(rows, model);
  }

  @Test
  void aWorkerThatHangsGivesItsSlotBackAndTheTrainingGoesOn(@TempDir Path folder) {
    SparkConf conf =
        new SparkConf()
            .setMaster("local[2,4]")
            .setAppName("warmstep")
            .set("spark.ui.enabled", "false")
            .set("spark.driver.host", "127.0.0.1")
            .set("spark.driver.bindAddress", "127.0.0.1");
    try (JavaSparkContext spark = new JavaSparkContext(conf)) {
      spark.setLogLevel("OFF");
      String expected = training(spark).train().parameters().bits();
      String bits =
          assertTimeoutPreemptively(
              Duration.ofSeconds(60),
              () -> {
                spark.setLocalProperty(INTERRUPTS, "false"); // as setJobGroup does
                TrainedModel model =
                    training(spark)
                        .gradients(HangingWorkerTest::hanging)
                        .workers(2)
                        .limit(Duration.ofSeconds(5))
                        .checkpoint(folder.resolve("run"), 2)
                        .train();
                assertEquals("false", spark.getLocalProperty(INTERRUPTS), "it is the caller's");
                return model.parameters().bits();
              });
      assertEquals(expected, bits);
      assertTrue(HUNG.get());
      assertEquals(
          Map.of(
              "attempt 0, worker 0",
              0,
              "attempt 0, worker 1",
              8,
              "attempt 1, worker 0",
              2 * 16,
              "attempt 1, worker 1",
              2 * 16 + 8),
          BEGUN);
    }
  }
}
