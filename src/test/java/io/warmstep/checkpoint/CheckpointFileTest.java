package io.warmstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The format, written, read, and taken apart without the reader. */
class CheckpointFileTest {
  @TempDir Path folder;

  private static CheckpointWriter sample() {
    return new CheckpointWriter()
        .metadata("note", "a \"quoted\" text, \u00fc, \uD83D\uDE00,\n and \u0001")
        .tensor("half", ElementFormat.BF16, List.of(3L), TensorSource.of(new short[] {1, -2, 3}))
        .tensor(
            "matrix", ElementFormat.F32, List.of(2L, 2L), TensorSource.of(new float[] {1, 2, 3, 4}))
        .tensor("empty", ElementFormat.F64, List.of(0L, 7L), TensorSource.of(new double[0]))
        .number("count", 42)
        .number("rate", Double.NEGATIVE_INFINITY)
        .flag("on", true);
  }

  private Path written() throws IOException {
    Path file = folder.resolve("sample.safetensors");
    sample().write(file);
    return file;
  }

  private static void assertSample(CheckpointReader reader) throws IOException {
    reader.verify();
    assertTrue(reader.isOurs());
    assertEquals(
        "a \"quoted\" text, \u00fc, \uD83D\uDE00,\n and \u0001", reader.metadata().get("note"));
    TensorEntry matrix = reader.tensor("matrix").orElseThrow();
    assertEquals(List.of(2L, 2L), matrix.shape());
    float[] values = {9, 9, 9, 9};
    reader.read(matrix, 1, values, 2, 2);
    assertArrayEquals(new float[] {9, 9, 2, 3}, values);
    short[] half = new short[3];
    reader.read(reader.tensor("half").orElseThrow(), 0, half, 0, 3);
    assertArrayEquals(new short[] {1, -2, 3}, half);
    double[] rate = new double[1];
    reader.read(reader.tensor("rate").orElseThrow(), 0, rate, 0, 1);
    assertEquals(Double.NEGATIVE_INFINITY, rate[0]);
    long[] count = new long[1];
    reader.read(reader.tensor("count").orElseThrow(), 0, count, 0, 1);
    assertEquals(42, count[0]);
    assertEquals(0, reader.tensor("empty").orElseThrow().count());
    assertTrue(reader.tensor("nonesuch").isEmpty());
  }

  @Test
  void whatIsWrittenIsRead() throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(written())) {
      assertSample(reader);
    }
  }

  @Test
  void theLayoutIsAsDocumented() throws IOException {
    byte[] bytes = Files.readAllBytes(written());
    int length = Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong());
    String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    assertEquals(0, length % 8);
    String start = "{\"__metadata__\":{\"format\":\"warmstep\",\"version\":\"1\",\"crc32c\":\"";
    assertTrue(header.startsWith(start), header);
    assertTrue(
        header.contains("\"matrix\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,32]}"),
        header);
    assertTrue(
        header.contains("\"on\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[38,39]}"),
        header);

    // The checksum, as any other program would compute it.
    String digits = header.substring(start.length(), start.length() + 8);
    byte[] zeroed = bytes.clone();
    Arrays.fill(zeroed, 8 + start.length(), 16 + start.length(), (byte) '0');
    CRC32C crc = new CRC32C();
    crc.update(zeroed);
    assertEquals("%08x".formatted(crc.getValue()), digits);
  }

  @Test
  void channelsOfEveryKindCarryTheSameBytes() throws IOException {
    byte[] expected = Files.readAllBytes(written());
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    sample().write(Channels.newChannel(stream));
    assertArrayEquals(expected, stream.toByteArray());

    Path embedded = folder.resolve("embedded");
    try (FileChannel channel =
        FileChannel.open(
            embedded,
            StandardOpenOption.CREATE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new byte[5]));
      sample().write(channel);
      assertEquals(5 + expected.length, channel.position());
      channel.position(5);
      try (CheckpointReader reader = CheckpointReader.open(channel)) {
        assertSample(reader);
      }
      assertTrue(channel.isOpen());
    }
    try (CheckpointReader reader =
        CheckpointReader.open(Channels.newChannel(new ByteArrayInputStream(expected)))) {
      assertSample(reader);
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"F4", "F6_E2M3", "F6_E3M2", "C64"})
  void everyElementTypeGoesThroughSeveralChunks(ElementFormat format) throws IOException {
    int count = ElementCopy.CHUNK / format.bytes() * 2 + 3;
    byte[] pattern = new byte[count * format.bytes()];
    for (int i = 0; i < pattern.length; i++) {
      pattern[i] = (byte) (i * 31 + i / 257);
    }
    Object values = ElementCopy.array(format, count);
    ElementCopy.get(ByteBuffer.wrap(pattern).order(ByteOrder.LITTLE_ENDIAN), values, 0, count);
    Path file = folder.resolve("large");
    new CheckpointWriter()
        .tensor("x", format, List.of((long) count), TensorSource.of(values))
        .write(file);
    byte[] bytes = Files.readAllBytes(file);
    byte[] data = Arrays.copyOfRange(bytes, bytes.length - pattern.length, bytes.length);
    assertArrayEquals(pattern, data);
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      reader.verify();
      Object read = ElementCopy.array(format, count);
      reader.read(reader.tensors().get(0), 0, read, 0, count);
      assertTrue(java.util.Objects.deepEquals(values, read));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> reader.read(reader.tensors().get(0), 1, read, 0, count));
      assertThrows(
          IllegalArgumentException.class,
          () -> reader.read(reader.tensors().get(0), 0, new char[count], 0, count));
    }
  }

  @Test
  void namesAreUniqueAndKeysTheWriters() {
    CheckpointWriter writer = new CheckpointWriter().number("a", 1L);
    assertThrows(IllegalArgumentException.class, () -> writer.number("a", 2.0));
    assertThrows(IllegalArgumentException.class, () -> writer.number("__metadata__", 2.0));
    for (String key : List.of("format", "version", "crc32c")) {
      assertThrows(IllegalArgumentException.class, () -> writer.metadata(key, "x"));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> writer.tensor("b", ElementFormat.F32, List.of(-1L), TensorSource.of(new float[0])));
  }

  /** A text that looks like the checksum's must not be taken for it. */
  @Test
  void metadataCannotHideTheChecksum() throws IOException {
    Path file = folder.resolve("tricky");
    new CheckpointWriter()
        .metadata("x", "\"crc32c\":\"deadbeef\"")
        .metadata("crc32c ", "\",\"crc32c\":\"deadbeef")
        .write(file);
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      reader.verify();
      assertEquals("\"crc32c\":\"deadbeef\"", reader.metadata().get("x"));
    }
  }

  @Test
  void filesOfOthersLoadAsTensors() throws IOException {
    byte[] bytes =
        DamagedFiles.file(
            "{\"weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4],\"extra\":[{}]},"
                + "\"__metadata__\":{\"format\":\"pt\"}}  ",
            4);
    try (CheckpointReader reader =
        CheckpointReader.open(Files.write(folder.resolve("pt"), bytes))) {
      reader.verify();
      assertFalse(reader.isOurs());
      assertEquals(Map.of("format", "pt"), reader.metadata());
      assertEquals("weight of F16 [2]", reader.tensors().get(0).toString());
      assertTrue(reader.checksum().isEmpty());
    }
  }

  @Test
  void whatIsNoFileIsRefused() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    for (Path path : List.of(pipe, folder, Path.of("/dev/null"))) {
      FileSystemException e =
          assertThrows(FileSystemException.class, () -> CheckpointReader.open(path));
      assertTrue(e.getMessage().startsWith(path + ": this is a "), e.getMessage());
    }
    assertThrows(
        java.nio.file.NoSuchFileException.class,
        () -> CheckpointReader.open(folder.resolve("nonesuch")));
  }
}
