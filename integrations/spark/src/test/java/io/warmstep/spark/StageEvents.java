package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.StageInfo;

/** Which stages failed during a training, which executors were lost, and why. */
final class StageEvents extends SparkListener {
  private final Queue<Failure> failures = new ConcurrentLinkedQueue<>();
  private final Queue<String> removals = new ConcurrentLinkedQueue<>();
  private final Cleanup.Part repair;

  /**
   * A failure of a stage. An attempt may have several, where several of its tasks fail at once.
   *
   * @param attempt which one, from 0
   * @param reason of the task that failed
   */
  record Failure(int attempt, String reason) {}

  /**
   * Nothing has happened yet.
   *
   * @param repair what is done each time that a stage has failed
   */
  StageEvents(Cleanup.Part repair) {
    this.repair = repair;
  }

  TrainedModel during(JavaSparkContext spark, SparkTraining<?> training) {
    spark.sc().addSparkListener(this);
    try {
      return training.train();
    } finally {
      spark.sc().removeSparkListener(this);
    }
  }

  @Override
  public void onStageCompleted(SparkListenerStageCompleted event) {
    StageInfo stage = event.stageInfo();
    if (stage.failureReason().isEmpty()) {
      return;
    }
    failures.add(new Failure(stage.attemptNumber(), stage.failureReason().get()));
    try {
      repair.end();
    } catch (IOException | InterruptedException e) {
      failures.add(new Failure(stage.attemptNumber(), "nothing was repaired: " + e));
    }
  }

  @Override
  public void onExecutorRemoved(SparkListenerExecutorRemoved event) {
    removals.add(event.reason());
  }

  /**
   * Asserts that these attempts failed and no others, all for a reason. A task that Spark killed
   * since another of its stage had failed may be reported after that one, as a failure of its own.
   */
  void assertFailed(Set<Integer> attempts, String reason) {
    assertEquals(attempts, attemptsOf(failure -> true), failures.toString());
    assertEquals(
        attempts, attemptsOf(failure -> failure.reason.contains(reason)), failures.toString());
    for (Failure failure : failures) {
      assertTrue(
          failure.reason.contains(reason) || failure.reason.contains("TaskKilled (Stage cancelled"),
          failure.toString());
    }
  }

  private Set<Integer> attemptsOf(Predicate<Failure> which) {
    return failures.stream().filter(which).map(Failure::attempt).collect(Collectors.toSet());
  }

  /** Why executors were lost. */
  List<String> removals() {
    return List.copyOf(removals);
  }
}
