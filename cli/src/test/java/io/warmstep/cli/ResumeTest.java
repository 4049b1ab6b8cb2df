package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that is saved, and gone on with by a process that knows nothing but the file. */
class ResumeTest {
  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("run.safetensors");
  }

  private static JsonObject withoutTimes(JsonObject json) {
    json.remove("seconds");
    json.remove("steps_per_second");
    return json;
  }

  private static JsonObject train(String arguments, Path... paths) {
    String[] all =
        Stream.concat(
                Stream.of(("train --json " + arguments).split(" ")),
                Stream.of(paths).map(Path::toString))
            .toArray(String[]::new);
    return withoutTimes(CommandRun.run(all).json());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--rule adamw --schedule cosine --weight-decay 0.05",
        "--rule momentum --schedule plateau --lr 0.2",
        "--rule rmsprop --momentum 0.5 --schedule one-cycle --clip-norm 1 --hidden 16,8",
        "--rule adam --accumulate 3",
        "--rule momentum --adaptive-clip 0.05",
        "--rule adamw --caution --lookahead 3,0.8",
        "--rule sgd --schedule wsd --seed 3 --dtype bfloat16 --master",
        "--rule adamw --seed 4 --dtype bfloat16 --master 24bit --rounding stochastic"
      })
  void goesOnToTheLastDigit(String options) throws Exception {
    String settings = "--data breast-cancer --epochs 6 --batch 32 " + options;
    JsonObject whole = train(settings + " --checkpoint", file);
    byte[] finished = Files.readAllBytes(file);
    // A run that is cut off: its schedule is the whole run's, its saving ends in the middle.
    Path cut = folder.resolve("cut");
    Process killed = TrainProcess.start(settings + " --every 7 --checkpoint " + cut);
    while (killed.isAlive() && Files.notExists(cut)) {
      Thread.sleep(1);
    }
    killed.destroyForcibly().waitFor();
    JsonObject resumed = train("--checkpoint " + file + " --resume", cut);
    assertEquals(whole, resumed);
    assertArrayEquals(finished, Files.readAllBytes(file));
    // What is finished ends at once, with the same result.
    assertEquals(whole, train("--resume", file));
  }

  @Test
  void settingsOfTheRunMayNotBeOthers() {
    train("--data breast-cancer --epochs 1 --seed 5 --checkpoint", file);
    CommandRun other = CommandRun.run("train", "--resume", file.toString(), "--seed", "6");
    assertEquals(2, other.exitCode());
    assertTrue(
        other
            .err()
            .contains(
                "--seed is 6, but " + file + " was trained with 5: leave it out, or train anew"),
        other.err());
    CommandRun fewer = CommandRun.run("train", "--resume", file.toString(), "--epochs", "1");
    assertEquals(0, fewer.exitCode(), fewer.err());
    assertTrue(fewer.out().contains("restored at step "), fewer.out());
    CommandRun more = CommandRun.run("train", "--resume", file.toString(), "--epochs", "2");
    assertEquals(0, more.exitCode(), more.err());
    assertTrue(more.out().contains("epoch 2 of 2"), more.out());
    assertFalse(more.out().contains("epoch 1 of 2"), more.out());
  }

  /** The rows of a minibatch are saved, also those that follow from the rule. */
  @Test
  void minibatchesStayAsLarge() {
    for (String rule : List.of("rprop", "adam")) {
      String settings = "--rule " + rule + " --data breast-cancer --epochs 2 --checkpoint";
      JsonObject whole = train(settings, file);
      String rows = whole.get("batch").getAsString();
      assertEquals(whole, train("--batch " + rows + " --resume", file));
      CommandRun other = CommandRun.run("train", "--resume", file.toString(), "--batch", "17");
      assertEquals(2, other.exitCode());
      assertTrue(
          other.err().contains("--batch is 17, but " + file + " was trained with " + rows + ":"),
          other.err());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--every 5; --every is 5, but there is no --checkpoint FILE",
        "--every 0 --checkpoint f; --every is 0, must be at least 1",
        "--checkpoint /nonesuch/f; --checkpoint is '/nonesuch/f', but the folder /nonesuch does",
        "--checkpoint /dev/null; --checkpoint is '/dev/null', but this is a pipe, a device",
        "--checkpoint /; --checkpoint is '/', but this is a folder"
      })
  void wrongOptionsAreExplained(String test) {
    String[] parts = test.split("; ", -1);
    CommandRun run = CommandRun.run(("train " + parts[0]).split(" "));
    assertEquals(2, run.exitCode(), run.err());
    assertTrue(run.err().contains(parts[1]), run.err());
  }

  @Test
  void whatIsNoRunIsRefused() throws IOException {
    CommandRun missing = CommandRun.run("train", "--resume", file.toString());
    assertEquals(1, missing.exitCode());
    assertTrue(missing.err().contains(file + ": no such file"), missing.err());
    Files.write(file, new byte[100]);
    CommandRun damaged = CommandRun.run("train", "--resume", file.toString());
    assertEquals(1, damaged.exitCode());
    assertTrue(damaged.err().contains(file + " is damaged or no checkpoint: "), damaged.err());
    new io.warmstep.checkpoint.CheckpointWriter().write(file);
    CommandRun other = CommandRun.run("train", "--resume", file.toString());
    assertEquals(1, other.exitCode());
    assertTrue(other.err().contains("was not written by 'warmstep train"), other.err());
  }

  @Test
  void aCheckpointIsInspected() throws IOException {
    train("--data breast-cancer --epochs 1 --checkpoint", file);
    CommandRun run = CommandRun.run("inspect", file.toString());
    assertEquals(0, run.exitCode(), run.err());
    List<String> lines = run.out().lines().toList();
    assertTrue(lines.get(0).matches(".*: [0-9,]+ bytes, [0-9]+ tensors, [0-9,]+ elements"));
    assertTrue(lines.get(1).matches("checksum: crc32c [0-9a-f]{8}, as it must be"), lines.get(1));
    assertTrue(run.out().contains("  train: {\""), run.out());
    assertTrue(run.out().contains("\"--data\":\"breast-cancer\""), run.out());
    assertTrue(run.out().contains("state.dense1.weight.exp_avg_sq"), run.out());
    JsonObject json = CommandRun.run("inspect", "--json", file.toString()).json();
    assertTrue(json.get("checksum_verified").getAsBoolean());
    JsonObject header = CommandRun.run("inspect", "--header", "--json", file.toString()).json();
    assertFalse(header.get("checksum_verified").getAsBoolean());
    assertFalse(header.getAsJsonArray("tensors").get(0).getAsJsonObject().has("norm"));
  }
}
