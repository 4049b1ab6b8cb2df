package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Set;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.StageInfo;
import org.junit.jupiter.api.Test;
import scala.Option;
import scala.jdk.javaapi.CollectionConverters;

class StageEventsTest {
  private static final String REASON = "Stage failed because barrier task 1 finished: disk full";
  private static final String KILLED =
      "Stage failed because barrier task 0 finished: TaskKilled (Stage cancelled: task 1 failed)";

  private final StageEvents events = new StageEvents(() -> {});

  @Test
  void aTaskThatWasKilledBecauseAnotherFailedIsNoReasonOfItsOwn() {
    fail(0, REASON);
    fail(0, KILLED);
    fail(1, REASON);
    events.assertFailed(Set.of(0, 1), "disk full");
  }

  @Test
  void eachAttemptHasTheReason() {
    fail(0, REASON);
    fail(1, KILLED);
    assertRefused(Set.of(0, 1));
    assertRefused(Set.of(0));
  }

  @Test
  void noAttemptFailedForAnother() {
    fail(0, REASON);
    fail(0, "Stage failed because barrier task 0 finished: link cut");
    assertRefused(Set.of(0));
  }

  @Test
  void attemptsThatDidNotFailAreMissed() {
    fail(0, REASON);
    assertRefused(Set.of(0, 1));
  }

  private void assertRefused(Set<Integer> attempts) {
    assertThrows(AssertionError.class, () -> events.assertFailed(attempts, "disk full"));
  }

  private void fail(int attempt, String reason) {
    StageInfo stage =
        new StageInfo(
            0,
            attempt,
            "stage",
            2,
            CollectionConverters.asScala(List.<org.apache.spark.storage.RDDInfo>of()).toSeq(),
            CollectionConverters.asScala(List.<Object>of()).toSeq(),
            "",
            null,
            CollectionConverters.asScala(
                    List
                        .<scala.collection.immutable.Seq<org.apache.spark.scheduler.TaskLocation>>
                            of())
                .toSeq(),
            Option.empty(),
            0,
            false,
            0);
    stage.failureReason_$eq(Option.apply(reason));
    events.onStageCompleted(new SparkListenerStageCompleted(stage));
  }
}
