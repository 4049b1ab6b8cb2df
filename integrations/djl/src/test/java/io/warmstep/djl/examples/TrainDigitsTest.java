package io.warmstep.djl.examples;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainDigitsTest {
  @Test
  void trainsSavesAndGoesOn(@TempDir Path folder) throws Exception {
    float first = TrainDigits.train(folder, 2);
    assertTrue(first > 0.85, "accuracy after 2 epochs: " + first);
    Path state = folder.resolve("optimizer.safetensors");
    long size = Files.size(state);
    float second = TrainDigits.train(folder, 4);
    assertTrue(second > 0.93 && second >= first, "accuracy after 6 epochs: " + second);
    assertTrue(Files.size(state) >= size);
  }
}
