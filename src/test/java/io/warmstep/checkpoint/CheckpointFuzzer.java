package io.warmstep.checkpoint;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.BytesChannel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * What a fuzzer calls with bytes of its own: whatever they are, opening, verifying, reading and
 * restoring either works or throws one of the two exceptions that say what is wrong, and an
 * optimizer that refuses keeps its bits. bin/test runs Jazzer on it.
 */
public final class CheckpointFuzzer {
  private static final Device DEVICE = Devices.cpu(1);
  private static final Parameters PARAMETERS =
      Parameters.on(DEVICE).add("w", new float[] {1, 2}).add("b", new double[] {3}).build();
  private static final Optimizer OPTIMIZER =
      Optimizer.of(PARAMETERS).rule(Adam.adam()).learningRate(0.1).build();

  private CheckpointFuzzer() {}

  /** A file that an optimizer of the same parameters has saved. */
  static byte[] seed() throws IOException {
    OPTIMIZER.step();
    return saved();
  }

  private static byte[] saved() throws IOException {
    BytesChannel channel = new BytesChannel();
    OPTIMIZER.checkpoint().save(channel);
    return channel.content();
  }

  /**
   * Tries a file, as it is and with its checksum put right, since a fuzzer does not find one.
   *
   * @param bytes of the file
   * @throws IOException never
   */
  public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
    attempt(bytes);
    attempt(withChecksum(bytes));
  }

  private static void attempt(byte[] bytes) throws IOException {
    byte[] before = saved();
    try (CheckpointReader reader = CheckpointReader.open(new BytesChannel(bytes))) {
      for (TensorEntry tensor : reader.tensors()) {
        TensorSummary.of(reader, tensor);
      }
      reader.verify();
      OPTIMIZER.checkpoint().allowAdded().allowDropped().restore(reader);
      OPTIMIZER.step();
    } catch (CorruptCheckpointException | CheckpointMismatchException e) {
      if (!Arrays.equals(before, saved())) {
        throw new AssertionError("a refusal has changed the optimizer: " + e.getMessage(), e);
      }
    }
  }

  private static byte[] withChecksum(byte[] bytes) {
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    String key = "\"crc32c\":\"";
    int at = text.indexOf(key) + key.length();
    if (at < key.length() || at + 8 > bytes.length) {
      return bytes;
    }
    byte[] right = bytes.clone();
    // The length of the header too, or nearly every insertion ends there.
    long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (header < 0 || header > bytes.length) {
      ByteBuffer.wrap(right).order(ByteOrder.LITTLE_ENDIAN).putLong(bytes.length - 8);
    }
    Arrays.fill(right, at, at + 8, (byte) '0');
    CRC32C crc = new CRC32C();
    crc.update(right);
    byte[] digits = "%08x".formatted(crc.getValue()).getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(digits, 0, right, at, 8);
    return right;
  }

  /**
   * Writes the seed corpus: a whole file and one of each kind of damage.
   *
   * @param arguments the folder
   * @throws IOException if it cannot be written
   */
  public static void main(String[] arguments) throws IOException {
    java.nio.file.Path folder = java.nio.file.Path.of(arguments[0]);
    java.nio.file.Files.createDirectories(folder);
    java.nio.file.Files.write(folder.resolve("whole"), seed());
    int i = 0;
    for (DamagedFiles.Case damaged : DamagedFiles.all()) {
      if (damaged.bytes().length < 10_000) {
        java.nio.file.Files.write(folder.resolve("damaged-" + i++), damaged.bytes());
      }
    }
  }
}
