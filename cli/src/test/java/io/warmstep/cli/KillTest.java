package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.cli.train.History;
import io.warmstep.testkit.RuleMatrix;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A run that saves after every step is killed (SIGKILL) at random times, over and over, and goes on
 * from its file each time. There is always a whole one, and the end is that of a run without a
 * break.
 */
class KillTest {
  private static final int KILLS = RuleMatrix.IS_FULL ? 50 : 12;
  private static final long SEED = 1;
  private static final String SETTINGS = "--data breast-cancer --batch 2 --epochs 60 --hidden 8";

  @TempDir Path folder;

  private static JsonObject train(String arguments) {
    JsonObject json = CommandRun.run(("train --json " + arguments).split(" ")).json();
    json.remove("seconds");
    json.remove("steps_per_second");
    return json;
  }

  /** Another file of the same name is another one. */
  private static Object inode(Path file) throws java.io.IOException {
    return Files.getAttribute(file, "unix:ino");
  }

  @Test
  void thereIsAlwaysAWholeFile() throws Exception {
    SplittableRandom random = new SplittableRandom(SEED);
    Path file = folder.resolve("run");
    int steps = 0;
    int progressed = 0;
    for (int kill = 1; kill <= KILLS; kill++) {
      Object former = Files.exists(file) ? inode(file) : null;
      String resume = former == null ? "" : " --resume " + file;
      Process run = TrainProcess.start(SETTINGS + " --every 1 --checkpoint " + file + resume);
      if (former != null && kill % 4 == 0) {
        Thread.sleep(random.nextInt(1500)); // mostly before the first save
      } else {
        while (run.isAlive() && (Files.notExists(file) || inode(file).equals(former))) {
          Thread.sleep(1);
        }
        Thread.sleep(0, random.nextInt(1_000_000));
        Thread.sleep(random.nextInt(60));
      }
      run.destroyForcibly().waitFor();
      assertTrue(Files.exists(file), "kill " + kill);
      try (CheckpointReader reader = CheckpointReader.open(file)) {
        reader.verify();
        int reached = History.of(reader).steps();
        assertTrue(reached >= steps, "kill " + kill + ", seed " + SEED);
        progressed += reached > steps ? 1 : 0;
        steps = reached;
      }
    }
    assertTrue(progressed >= KILLS / 2, "only " + progressed + " kills came after a save");
    assertEquals(train(SETTINGS), train("--resume " + file));
  }
}
