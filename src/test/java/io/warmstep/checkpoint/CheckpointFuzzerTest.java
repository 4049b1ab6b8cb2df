package io.warmstep.checkpoint;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The fuzzer's target on its seeds, and on some damage of a whole file, without a fuzzer. */
class CheckpointFuzzerTest {
  @Test
  void theSeedsAreSaidToBeDamaged() throws IOException {
    CheckpointFuzzer.fuzzerTestOneInput(CheckpointFuzzer.seed());
    for (DamagedFiles.Case damaged : DamagedFiles.all()) {
      CheckpointFuzzer.fuzzerTestOneInput(damaged.bytes());
    }
  }

  /** Under a right checksum, whatever the header says must still be judged. */
  @Test
  void changedBytesAreJudged() throws IOException {
    byte[] seed = CheckpointFuzzer.seed();
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 3_000; i++) {
      byte[] bytes = Arrays.copyOf(seed, seed.length);
      for (int j = random.nextInt(3); j >= 0; j--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      CheckpointFuzzer.fuzzerTestOneInput(bytes);
    }
  }
}
