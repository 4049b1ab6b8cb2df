package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.DataType;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import io.warmstep.ParameterGroup;
import io.warmstep.rule.Adam;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A saved run goes on with the same bits in a new model, whose parameters have other ids. */
class SavedStateTest {
  private static final String WEIGHT = "01Linear_weight";

  @TempDir Path folder;

  static Stream<Arguments> modes() {
    return Stream.of(Mode.values())
        .flatMap(
            first ->
                Stream.of(Mode.values())
                    .flatMap(
                        second ->
                            Stream.of(DataType.FLOAT32, DataType.FLOAT16)
                                .map(type -> Arguments.of(first, second, type))));
  }

  private static WarmstepOptimizer optimizer(UpdateRule rule) {
    return WarmstepOptimizer.of(rule).learningRate(Schedules.cosine(0.05, 12).warmUp(3)).build();
  }

  private static void steps(Toy toy, ModelStep step, int from, int to) {
    for (int i = from; i <= to; i++) {
      toy.backward(i);
      Mode.step(toy, step);
    }
  }

  /** Copies values as model.save and model.load do: the ids differ. */
  private static void loadInto(Toy target, Toy source) {
    source
        .parameters()
        .forEach(
            (name, parameter) -> {
              assertNotEquals(parameter.getId(), target.parameters().get(name).getId());
              TorchArrays.copy(parameter.getArray(), target.array(name));
            });
  }

  @ParameterizedTest
  @MethodSource("modes")
  void goesOnWithTheSameBits(Mode before, Mode after, DataType type) {
    UpdateRule rule = Adam.adamW().amsgrad(true);
    WarmstepOptimizer whole = optimizer(rule);
    WarmstepOptimizer first = optimizer(rule);
    WarmstepOptimizer second = optimizer(rule);
    Path file = folder.resolve("state.safetensors");
    try (Toy expected = new Toy(whole, type, Toy.block());
        Toy interrupted = new Toy(first, type, Toy.block());
        Toy resumed = new Toy(second, type, Toy.block())) {
      after.with(expected, whole, step -> steps(expected, step, 1, 9));

      before.with(
          interrupted,
          first,
          step -> {
            steps(interrupted, step, 1, 4);
            save(first, step, file, interrupted);
            // What comes after saving must not matter.
            steps(interrupted, step, 50, 50);
          });
      try (Toy asSaved = replayed(rule, type)) {
        loadInto(resumed, asSaved);
      }
      after.with(
          resumed,
          second,
          step -> {
            restore(second, step, file, resumed);
            assertEquals(4, second.stepCount());
            steps(resumed, step, 5, 9);
          });
      assertEquals(9, second.stepCount());
      expected
          .allValues()
          .forEach((name, values) -> assertArrayEquals(values, resumed.values(name), name));
    }
  }

  /** The model as it was when the state was saved. */
  private static Toy replayed(UpdateRule rule, DataType type) {
    WarmstepOptimizer optimizer = optimizer(rule);
    Toy toy = new Toy(optimizer, type, Toy.block());
    steps(toy, null, 1, 4);
    return toy;
  }

  private static void save(WarmstepOptimizer optimizer, ModelStep step, Path file, Toy toy) {
    try {
      if (step == null) {
        optimizer.save(file, toy.model.getBlock());
      } else {
        step.save(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void restore(WarmstepOptimizer optimizer, ModelStep step, Path file, Toy toy) {
    try {
      if (step == null) {
        optimizer.restore(file, toy.model.getBlock());
      } else {
        step.restore(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void stateIsReadByName() {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> step.state(WEIGHT, "exp_avg"))
              .getMessage()
              .contains("it was never updated"));
      toy.backward(1);
      double[] gradient = toy.gradients(WEIGHT);
      step.step();
      double[] state = step.state(WEIGHT, "exp_avg");
      for (int i = 0; i < state.length; i++) {
        assertEquals(0.1 * gradient[i], state[i], 1e-7);
      }
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> step.state("weight", "exp_avg"))
              .getMessage()
              .contains("there are 01Linear_weight, 01Linear_bias"));
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> step.state(WEIGHT, "square_avg"))
              .getMessage()
              .contains("it has [exp_avg, exp_avg_sq]"));
    }
  }

  /** The layout that the documentation promises, read without this module's reader. */
  @Test
  void theFileIsSafetensors() throws IOException {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    Path file = folder.resolve("state.safetensors");
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, null, 1, 2);
      optimizer.save(file, toy.model.getBlock());
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      int length = Math.toIntExact(bytes.getLong());
      assertEquals(0, length % 8);
      String header = new String(bytes.array(), 8, length, StandardCharsets.UTF_8);
      assertTrue(header.startsWith("{\"__metadata__\":{"), header);
      assertTrue(header.contains("\"rule\":\"adam\""), header);
      String step =
          "\"01Linear_weight.step\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}";
      assertTrue(header.contains(step), header);
      String average =
          "\"01Linear_weight.exp_avg\":{\"dtype\":\"F32\",\"shape\":[128],\"data_offsets\":[8,520]}";
      assertTrue(header.contains(average), header);
      assertEquals(2, bytes.getLong(8 + length));
      double[] expected = optimizer.state(toy.model.getBlock(), WEIGHT, "exp_avg");
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], bytes.getFloat(8 + length + 8 + 4 * i));
      }
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList(), "no temporary file is left");
    }
  }

  @Test
  void nothingToSaveIsAnError() {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer)) {
      Path file = folder.resolve("state.safetensors");
      assertThrows(IllegalStateException.class, () -> optimizer.save(file, toy.model.getBlock()));
      assertTrue(Files.notExists(file));
    }
  }

  @Test
  void aRuleWithoutStateResumesItsStepCount() throws IOException {
    WarmstepOptimizer first = optimizer(Sgd.sgd());
    WarmstepOptimizer second = optimizer(Sgd.sgd());
    Path file = folder.resolve("state.safetensors");
    try (Toy toy = new Toy(first)) {
      steps(toy, null, 1, 7);
      first.save(file, toy.model.getBlock());
      second.restore(file, toy.model.getBlock());
      assertEquals(7, second.stepCount());
    }
  }

  private String refusal(WarmstepOptimizer saved, WarmstepOptimizer restored, SequentialBlock other)
      throws IOException {
    Path file = folder.resolve("other.safetensors");
    try (Toy toy = new Toy(saved)) {
      steps(toy, null, 1, 2);
      saved.save(file, toy.model.getBlock());
    }
    try (Toy toy = new Toy(restored, DataType.FLOAT32, other);
        ModelStep step = ModelStep.of(toy.trainer, restored)) {
      steps(toy, step, 1, 3);
      double[] before = step.state("01Linear_bias", firstSlot(restored));
      String message =
          assertThrows(IllegalArgumentException.class, () -> step.restore(file)).getMessage();
      assertEquals(3, restored.stepCount());
      assertArrayEquals(before, step.state("01Linear_bias", firstSlot(restored)));
      return message;
    }
  }

  private static String firstSlot(WarmstepOptimizer optimizer) {
    return optimizer.recipe().rule().stateSlots().get(0).name();
  }

  @Test
  void aStateThatDoesNotFitChangesNothing() throws IOException {
    assertTrue(
        refusal(optimizer(Adam.adam()), optimizer(RmsProp.rmsProp()), Toy.block())
            .endsWith("has states of rule adam, the optimizer's is rmsprop"));
    assertTrue(
        refusal(optimizer(Adam.adam()), optimizer(Adam.adam().amsgrad(true)), Toy.block())
            .contains("must have a step and [exp_avg, exp_avg_sq, max_exp_avg_sq]"));
    SequentialBlock wider =
        new SequentialBlock()
            .add(Linear.builder().setUnits(5).build())
            .add(Linear.builder().setUnits(Toy.CLASSES).build());
    assertTrue(
        refusal(optimizer(Adam.adam()), optimizer(Adam.adam()), wider)
            .endsWith(
                "does not fit the model: the model has no 03Linear_weight, 03Linear_bias; the file"
                    + " has no state of 02Linear_weight, 02Linear_bias"));
    SequentialBlock sized =
        new SequentialBlock()
            .add(Linear.builder().setUnits(5).build())
            .add(ai.djl.nn.Activation::relu)
            .add(Linear.builder().setUnits(Toy.CLASSES).build());
    assertTrue(
        refusal(optimizer(Adam.adam()), optimizer(Adam.adam()), sized)
            .contains("\"01Linear_weight\" must have a step and [exp_avg, exp_avg_sq] of 40"));
  }

  /** A group's own options decide what is remembered of its parameters. */
  @Test
  void groupsDecideWhatIsRemembered() throws IOException {
    Path file = folder.resolve("state.safetensors");
    ParameterGroup group = ParameterGroup.matching("*_weight").rule(Adam.adam().amsgrad(true));
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adam()).learningRate(0.1).group(group).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      double[] saved = step.state(WEIGHT, "max_exp_avg_sq");
      step.save(file);
      steps(toy, step, 3, 3);
      step.restore(file);
      assertArrayEquals(saved, step.state(WEIGHT, "max_exp_avg_sq"));
      assertEquals(2, step.stepCount());
    }
  }

  private static byte[] file(String header, int dataBytes) {
    byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + bytes.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(bytes.length)
        .put(bytes)
        .array();
  }

  private static String tensor(String dtype, String shape, String offsets) {
    return "{\"a.step\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}}"
        .formatted(dtype, shape, offsets);
  }

  static Stream<byte[]> damaged() {
    return Stream.of(
        new byte[0],
        new byte[7],
        ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(Long.MAX_VALUE).array(),
        ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(-1).array(),
        file("{", 0),
        file("[]", 0),
        file("{}", 0),
        file("{\"__metadata__\":{\"format\":\"pt\"}}", 0),
        file("{\"__metadata__\":7}", 0),
        file("{\"a\":null}", 0),
        file(tensor("F32", "[4]", "[0,15]"), 16),
        file(tensor("F32", "[4]", "[0,16]"), 15),
        file(tensor("F32", "[4]", "[-16,0]"), 16),
        file(tensor("F32", "[4]", "[16,0]"), 16),
        file(tensor("F32", "[-4]", "[0,16]"), 16),
        file(tensor("F32", "[4294967296,4294967296,4294967296]", "[0,16]"), 16),
        file(tensor("F32", "[1e300]", "[0,16]"), 16),
        file(tensor("Q7", "[4]", "[0,16]"), 16),
        file(tensor("F32", "4", "[0,16]"), 16),
        file(tensor("F32", "[4]", "[0]"), 16),
        // Two tensors over the same bytes: a small file that asks for twice its size.
        file(
            "{\"a.x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
                + "\"a.y\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
            16));
  }

  @ParameterizedTest
  @MethodSource("damaged")
  void aDamagedFileIsTold(byte[] bytes) throws IOException {
    Path file = Files.write(folder.resolve("damaged"), bytes);
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, null, 1, 2);
      String message =
          assertThrows(
                  CorruptStateException.class, () -> optimizer.restore(file, toy.model.getBlock()))
              .getMessage();
      assertTrue(message.startsWith(file + " is not a saved optimizer state: "), message);
      assertEquals(2, optimizer.stepCount());
    }
  }

  /** Whatever bytes change, restoring works or says what is wrong, and memory stays bounded. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyDamageIsToldOrHarmless(long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    Path whole = folder.resolve("whole");
    Path file = folder.resolve("file");
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, null, 1, 2);
      optimizer.save(whole, toy.model.getBlock());
      byte[] original = Files.readAllBytes(whole);
      for (int i = 0; i < 300; i++) {
        byte[] bytes =
            Arrays.copyOf(
                original, random.nextInt(4) == 0 ? random.nextInt(2000) : original.length);
        for (int j = random.nextInt(4); j >= 0 && bytes.length > 0; j--) {
          bytes[random.nextInt(Math.min(bytes.length, 1200))] = (byte) random.nextInt(256);
        }
        Files.write(file, bytes);
        WarmstepOptimizer restored = optimizer(Adam.adam());
        try {
          restored.restore(file, toy.model.getBlock());
        } catch (CorruptStateException | IllegalArgumentException e) {
          assertEquals(0, restored.stepCount(), "seed " + seed);
        }
      }
    }
  }

  @Test
  void theModelMustBeInitialized() throws IOException {
    Path file = folder.resolve("state");
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, null, 1, 1);
      optimizer.save(file, toy.model.getBlock());
      String message =
          assertThrows(IllegalStateException.class, () -> optimizer.restore(file, Toy.block()))
              .getMessage();
      assertTrue(message.contains("call trainer.initialize"), message);
      assertEquals(1, optimizer.stepCount());
    }
  }

  @Test
  void aMissingFolderKeepsWhatWasThere() {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    try (Toy toy = new Toy(optimizer)) {
      steps(toy, null, 1, 1);
      assertThrows(
          IOException.class,
          () -> optimizer.save(folder.resolve("missing/state"), toy.model.getBlock()));
      assertThrows(
          IOException.class,
          () -> optimizer.restore(folder.resolve("missing"), toy.model.getBlock()));
      assertEquals(1, optimizer.stepCount());
    }
  }
}
