package io.warmstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.warmstep.testkit.BytesChannel;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is wrong with a file is found before anything is made of it. */
class DamagedFileTest {
  @TempDir Path folder;

  static Stream<DamagedFiles.Case> damaged() {
    return DamagedFiles.all().stream();
  }

  private static void readAll(Path file) throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      reader.verify();
    }
  }

  private static void readAll(byte[] bytes) throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(new BytesChannel(bytes))) {
      reader.verify();
    }
  }

  @ParameterizedTest
  @MethodSource("damaged")
  void whatIsWrongIsSaid(DamagedFiles.Case damaged) throws IOException {
    Path file = Files.write(folder.resolve("damaged"), damaged.bytes());
    String message =
        assertThrows(CorruptCheckpointException.class, () -> readAll(file)).getMessage();
    assertTrue(message.startsWith(file + " is damaged or no checkpoint: "), message);
    assertTrue(message.contains(damaged.reason()), message);
    assertTrue(message.length() < 1000, message);
  }

  /** A file of 2 KiB with metadata, several types and more than one dimension. */
  private byte[] sample() throws IOException {
    Path file = folder.resolve("sample");
    CheckpointWriter writer = new CheckpointWriter().metadata("note", "{\"a\":[1,2,{\"b\":null}]}");
    float[] values = new float[90];
    for (int i = 0; i < values.length; i++) {
      values[i] = 1f / (i + 1);
    }
    for (String name : List.of("dense.weight", "dense.bias")) {
      writer.tensor(
          "state." + name + ".exp_avg",
          ElementFormat.F32,
          List.of(9L, 10L),
          TensorSource.of(values));
      writer.number("state." + name + ".step", 12L);
      writer.flag("param_groups." + name + ".amsgrad", false);
    }
    writer.tensor("bytes", ElementFormat.U8, List.of(6L), TensorSource.of(new byte[6]));
    writer.metadata("padding", "").write(file);
    int missing = 2048 - (int) Files.size(file);
    writer.metadata("padding", "p".repeat(missing)).write(file);
    return Files.readAllBytes(file);
  }

  @Test
  void everyFlippedBitIsFound() throws IOException {
    byte[] whole = sample();
    assertEquals(2048, whole.length);
    for (int bit = 0; bit < whole.length * 8; bit++) {
      byte[] flipped = whole.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      assertThrows(CorruptCheckpointException.class, () -> readAll(flipped), "bit " + bit);
    }
  }

  @Test
  void everyTruncationAndEveryAddedByteIsFound() throws IOException {
    byte[] whole = sample();
    for (int length = 0; length <= whole.length + 8; length++) {
      if (length != whole.length) {
        byte[] cut = Arrays.copyOf(whole, length);
        assertThrows(CorruptCheckpointException.class, () -> readAll(cut), "length " + length);
      }
    }
    readAll(whole);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyDamageIsFound(long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    byte[] whole = sample();
    for (int i = 0; i < 2000; i++) {
      byte[] bytes = Arrays.copyOf(whole, random.nextInt(4) == 0 ? random.nextInt(2048) : 2048);
      for (int j = random.nextInt(6); j >= 0 && bytes.length > 0; j--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      if (!Arrays.equals(whole, bytes)) {
        assertThrows(
            CorruptCheckpointException.class,
            () -> readAll(bytes),
            "seed " + seed + ", round " + i);
      }
    }
  }

  /** A header may claim anything; what is allocated goes by what the file has. */
  @Test
  void nothingIsAllocatedForWhatAFileOnlyClaims() throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().getId();
    for (DamagedFiles.Case damaged : DamagedFiles.all()) {
      Path file = Files.write(folder.resolve("claims"), damaged.bytes());
      long before = threads.getThreadAllocatedBytes(thread);
      assertThrows(CorruptCheckpointException.class, () -> readAll(file));
      long allocated = threads.getThreadAllocatedBytes(thread) - before;
      long allowed = 1_000_000 + 4L * damaged.bytes().length;
      assertTrue(allocated < allowed, damaged.reason() + ": " + allocated);
    }
  }

  /** A file that is cut while it is read. */
  @Test
  void aFileThatBecomesShorterIsFound() throws IOException {
    Path file = Files.write(folder.resolve("shrinking"), sample());
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      Files.write(file, Arrays.copyOf(sample(), 1500));
      String message = assertThrows(CorruptCheckpointException.class, reader::verify).getMessage();
      assertTrue(message.endsWith("it ends early"), message);
      TensorEntry last = reader.tensor("state.dense.bias.exp_avg").orElseThrow();
      assertThrows(
          CorruptCheckpointException.class, () -> reader.read(last, 0, new float[90], 0, 90));
    }
  }
}
