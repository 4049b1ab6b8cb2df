package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import io.warmstep.checkpoint.CorruptCheckpointException;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A damaged file is refused with a typed exception and changes nothing. */
class DamagedStateTest {
  /** CRC-32C of 16 zeros, the data of the files made by hand. */
  private static final String ZEROS = "%08x".formatted(checksum(new byte[16]));

  private static final String ABOUT =
      "\"__metadata__\":{\"format\":\"warmstep-djl-1\",\"rule\":\"adam\",\"untrained\":\"[]\","
          + "\"crc32c\":\""
          + ZEROS
          + "\"}";

  @TempDir Path folder;

  private static WarmstepOptimizer optimizer(UpdateRule rule) {
    return WarmstepOptimizer.of(rule).learningRate(0.05).build();
  }

  private static void steps(Toy toy, int count) {
    for (int i = 1; i <= count; i++) {
      toy.backward(i);
      toy.trainer.step();
    }
  }

  private static long checksum(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    return crc.getValue();
  }

  private static byte[] file(String header, byte[] data) {
    byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + bytes.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(bytes.length)
        .put(bytes)
        .put(data)
        .array();
  }

  private static byte[] file(String header, int dataBytes) {
    return file(header, new byte[dataBytes]);
  }

  private static String tensor(String dtype, String shape, String offsets) {
    return "{%s,\"a.step\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}"
        .formatted(ABOUT, dtype, shape, offsets);
  }

  static Stream<Arguments> damaged() {
    return Stream.of(
        Arguments.of("it has 0 bytes", new byte[0]),
        Arguments.of("its header is malformed", file("{ ", 0)),
        Arguments.of("it has no rule", file("{}", 0)),
        Arguments.of("it has no rule", file("{\"__metadata__\":{\"format\":\"pt\"}}", 0)),
        Arguments.of("16 bytes", file(tensor("\"F32\"", "[4]", "[0,16]"), 15)),
        Arguments.of("too many", file(tensor("\"F32\"", "[4611686018427387904]", "[0,0]"), 0)),
        Arguments.of(
            "its checksum is",
            file(tensor("\"F32\"", "[4]", "[0,16]").replace(ZEROS, "00000000"), 16)),
        Arguments.of(
            "has no checksum",
            file(tensor("\"F32\"", "[4]", "[0,16]").replace("crc32c", "sha256"), 16)),
        Arguments.of(
            "it has no checksum",
            file(
                tensor("\"F32\"", "[4]", "[0,16]")
                    .replace("crc32c", "sha256")
                    .replace("warmstep-djl-1", "pt"),
                16)),
        Arguments.of(
            "warmstep-djl-9, is none",
            file(tensor("\"F32\"", "[4]", "[0,16]").replace("djl-1", "djl-9"), 16)),
        Arguments.of("of another type", file(tensor("\"U8\"", "[16]", "[0,16]"), 16)),
        Arguments.of(
            "it has no rule", file(tensor("\"F32\"", "[4]", "[0,16]").replace("rule", "name"), 16)),
        Arguments.of(
            "it has no untrained",
            file(tensor("\"F32\"", "[4]", "[0,16]").replace("untrained", "frozen"), 16)),
        Arguments.of(
            "a.step is not a count of steps", file(tensor("\"F32\"", "[4]", "[0,16]"), 16)));
  }

  @ParameterizedTest
  @MethodSource("damaged")
  void aDamagedFileIsReported(String reason, byte[] bytes) throws IOException {
    Path file = Files.write(folder.resolve("damaged"), bytes);
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, 2);
      CorruptCheckpointException refusal =
          assertThrows(
              CorruptCheckpointException.class,
              () -> optimizer.restore(file, toy.model.getBlock()));
      String message = refusal.getMessage();
      assertTrue(message.startsWith(file + " is damaged or no checkpoint: "), message);
      assertTrue(message.contains(reason), message);
      if (message.contains("malformed")) {
        assertNotNull(refusal.getCause(), message);
      }
      assertEquals(2, optimizer.stepCount());
    }
  }

  /** A saved file with another text in its metadata, in the first format. */
  private static byte[] withUntrained(Path saved, String untrained) throws IOException {
    return FirstFormat.of(saved, Map.of("untrained", untrained));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "7", "{}", "null", "[7]", "[\"01Linear_weight\"]"})
  void theListOfWhatIsUntrainedMustMakeSense(String untrained) throws IOException {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    Path file = folder.resolve("state");
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, 2);
      optimizer.save(file, toy.model.getBlock());
      Path other = folder.resolve("other");
      Files.write(other, withUntrained(file, "[]"));
      optimizer.restore(other, toy.model.getBlock());
      Files.write(other, withUntrained(file, untrained));
      String message =
          assertThrows(
                  CorruptCheckpointException.class,
                  () -> optimizer.restore(other, toy.model.getBlock()))
              .getMessage();
      assertTrue(message.contains("untrained"), message);
      assertEquals(2, optimizer.stepCount());
    }
  }

  /** An optimizer with a state of its own, which a file that is refused must not change. */
  private final class Victim {
    private final Block block;
    private final WarmstepOptimizer optimizer;
    private final Path original;
    private final Path own;
    private final Path attacked = folder.resolve("attacked");
    private final Map<String, double[]> before;

    Victim(WarmstepOptimizer optimizer, Toy toy) throws IOException {
      this.optimizer = optimizer;
      block = toy.model.getBlock();
      original = folder.resolve("original");
      own = folder.resolve("own");
      steps(toy, 2);
      optimizer.save(original, block);
      steps(toy, 3);
      optimizer.save(own, block);
      before = states();
    }

    byte[] original() throws IOException {
      return Files.readAllBytes(original);
    }

    private Map<String, double[]> states() {
      Map<String, double[]> all = new LinkedHashMap<>();
      for (var slot : optimizer.recipe().rule().stateSlots()) {
        for (String name : List.of("01Linear_weight", "01Linear_bias", "02BatchNorm_beta")) {
          all.put(name + "." + slot.name(), optimizer.state(block, name, slot.name()));
        }
      }
      return all;
    }

    /** Whether the file is accepted: then it has the original's states, else nothing changes. */
    boolean accepts(byte[] damaged, String what) throws IOException {
      Files.write(attacked, damaged);
      try {
        optimizer.restore(attacked, block);
      } catch (CorruptCheckpointException | IllegalArgumentException e) {
        assertEquals(5, optimizer.stepCount(), what);
        assertEqualValues(before, states(), what);
        return false;
      }
      Map<String, ParameterState> expected = StateFile.read(original, optimizer.recipe(), block);
      Map<String, ParameterState> read = StateFile.read(attacked, optimizer.recipe(), block);
      assertEquals(expected.keySet(), read.keySet(), what);
      expected.forEach(
          (id, state) -> {
            assertEquals(state.steps(), read.get(id).steps(), what);
            assertEqualValues(state.slots(), read.get(id).slots(), what);
          });
      optimizer.restore(own, block);
      return true;
    }
  }

  private static void assertEqualValues(Map<String, ?> expected, Map<String, ?> was, String what) {
    assertEquals(expected.keySet(), was.keySet(), what);
    expected.forEach(
        (name, values) ->
            assertTrue(
                Objects.deepEquals(values, was.get(name)), () -> what + ": " + name + " differs"));
  }

  private static SequentialBlock normalized() {
    return new SequentialBlock()
        .add(Linear.builder().setUnits(Toy.CLASSES).build())
        .add(BatchNorm.builder().optScale(false).build());
  }

  /** Every bit of a file of steps alone, and one bit of each byte of one that has more. */
  static Stream<Arguments> flips() {
    return Stream.of(Arguments.of(Sgd.sgd(), 1, 0), Arguments.of(Adam.adam(), 8, 20));
  }

  @ParameterizedTest
  @MethodSource("flips")
  void aFlippedBitIsFound(UpdateRule rule, int bitsPerFlip, long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    WarmstepOptimizer optimizer = optimizer(rule);
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, normalized())) {
      Victim victim = new Victim(optimizer, toy);
      byte[] original = victim.original();
      for (int i = 0; i < original.length * 8; i += bitsPerFlip) {
        int bit = i + random.nextInt(bitsPerFlip);
        byte[] flipped = original.clone();
        flipped[bit / 8] ^= (byte) (1 << bit % 8);
        String what = rule.name() + ", bit " + bit % 8 + " of byte " + bit / 8 + ", seed " + seed;
        assertFalse(victim.accepts(flipped, what), what);
      }
    }
  }

  /** Whatever bytes change, restoring works or says what is wrong, and memory stays bounded. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyDamageIsReportedOrHarmless(long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, normalized())) {
      Victim victim = new Victim(optimizer, toy);
      byte[] original = victim.original();
      for (int i = 0; i < 500; i++) {
        int length = random.nextInt(4) == 0 ? random.nextInt(2000) : original.length;
        byte[] bytes = Arrays.copyOf(original, length);
        for (int j = random.nextInt(4); j >= 0 && bytes.length > 0; j--) {
          bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
        }
        victim.accepts(bytes, "seed " + seed + ", round " + i);
      }
    }
  }
}
