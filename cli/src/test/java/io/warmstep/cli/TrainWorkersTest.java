package io.warmstep.cli;

import static io.warmstep.cli.CommandRun.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code train --workers}. */
class TrainWorkersTest {
  private static JsonObject train(String... options) {
    return run(Stream.concat(Stream.of("train", "--json", "--epochs", "2"), Arrays.stream(options))
            .toArray(String[]::new))
        .json();
  }

  /** On 539 rows, of which the last minibatch has 27: fewer than are trained on otherwise. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "--hidden 16 --clip-norm 1",
        "--hidden 8,8 --rule lamb --schedule plateau",
        "--hidden 150 --batch 7 --rule sgd --warmup none",
        "--hidden 16 --dtype bfloat16 --master 24bit --state int8 --small-tensor 0 --average 0.9",
        "--hidden 16 --rule schedulefreeadamw --adaptive-clip 0.01",
        "--hidden 150 --dtype bfloat16 --rounding stochastic --state bfloat16 --small-tensor 0",
        "--hidden 150 --dtype bfloat16 --master 24bit --rounding stochastic --state int8 --small-tensor 0",
        "--hidden 8,8 --rule muon",
        "--hidden 16 --rule lion --caution --lookahead 2,0.5",
        "--hidden 8,8 --rule adafactor",
        "--hidden 150 --rule prodigy --lr 1 --clip-norm 1"
      })
  void anyNumberOfWorkersHasTheSameBits(String options) {
    String some = options + " --train-fraction 0.3";
    JsonObject one = train((some + " --workers 1").split(" "));
    assertEquals(64, one.get("bits").getAsString().length());
    assertEquals(8, one.get("lanes").getAsInt());
    for (int workers : new int[] {2, 3, 4, 8}) {
      JsonObject several = train((some + " --workers " + workers).split(" "));
      assertEquals(workers, several.get("workers").getAsInt());
      for (String same : new String[] {"bits", "train_loss", "test_accuracy", "steps", "lanes"}) {
        assertEquals(one.get(same), several.get(same), workers + " workers: " + same);
      }
    }
  }

  @Test
  void theBitsDependOnTheLanes() {
    JsonObject eight = train("--hidden", "16", "--workers", "2");
    JsonObject two = train("--hidden", "16", "--workers", "2", "--lanes", "2");
    assertNotEquals(eight.get("bits"), two.get("bits"));
  }

  /** Also of a rule that is evaluated at other weights than it trains. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "--rule schedulefreesgd",
        "--dtype bfloat16 --master --average 0.9",
        "--dtype bfloat16 --rounding stochastic"
      })
  void aSingleLaneHasTheBitsOfNone(String options) {
    JsonObject one = train(("--hidden 16 --workers 1 --lanes 1 " + options).strip().split(" "));
    assertEquals(train(("--hidden 16 " + options).strip().split(" ")).get("bits"), one.get("bits"));
  }

  @Test
  void peopleSeeTheBits() {
    CommandRun run = run("train", "--epochs", "1", "--hidden", "4", "--workers", "2");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().lines().anyMatch(line -> line.matches("bits: [0-9a-f]{64}")), run.out());
  }

  @Test
  void divergenceIsOneError() {
    CommandRun run =
        run("train", "--epochs", "2", "--rule", "sgd", "--lr", "1e9", "--workers", "3");
    assertNotEquals(0, run.exitCode());
    assertTrue(run.err().contains("training diverged"), run.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--workers 0|--workers is 0, must be from 1 to 1024",
        "--lanes 4|--lanes is 4, but there is no --workers N that it is for",
        "--workers 4 --lanes 2|--lanes is 2, must be from 4, the number of workers, to 1024",
        "--workers 2 --master|--master is exact, must be none for",
        "--workers 2 --accumulate 4|--accumulate is for training without --workers",
        "--workers 2 --checkpoint x|--checkpoint is for training without --workers"
      })
  void whatDoesNotFitIsRefused(String options, String message) {
    CommandRun run = run(("train " + options).split(" "));
    assertEquals(2, run.exitCode());
    assertTrue(run.err().contains(message), run.err());
  }
}
