package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.DataType;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import io.warmstep.ParameterGroup;
import io.warmstep.StateType;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

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
            .matches(
                ".*must have a step and \\[exp_avg of \\d+, exp_avg_sq of \\d+, max_exp_avg_sq of .*"));
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
            .contains(
                "\"01Linear_weight\" must have a step and [exp_avg of 40, exp_avg_sq of 40]"));
  }

  /** Also what a rule keeps once: it follows from the number of steps. */
  @ParameterizedTest
  @MethodSource("io.warmstep.djl.StepTest#modesAndRules")
  void everyRuleGoesOnWithTheSameBits(Mode mode, UpdateRule rule) {
    goesOn(mode, rule, StepTest.groups(rule));
  }

  @ParameterizedTest
  @EnumSource(Mode.class)
  void groupsOfOtherKindsGoOnWithTheSameBits(Mode mode) {
    goesOn(
        mode,
        NovoGrad.novoGrad(),
        List.of(
            ParameterGroup.matching("01*_weight").rule(Muon.muon()),
            ParameterGroup.matching("03*_weight").rule(Adafactor.adafactor()),
            ParameterGroup.matching("01*_bias").rule(NAdam.nAdam())));
  }

  @Test
  void groupsOverTheirParametersGoOnWithTheSameBits() {
    goesOn(
        Mode.MODEL_STEP,
        Prodigy.prodigy(),
        List.of(
            ParameterGroup.matching("03*").rule(Prodigy.prodigy().d0(1e-3)),
            ParameterGroup.matching("01*_bias").rule(Adam.adamW())));
    goesOn(
        Mode.MODEL_STEP,
        Lamb.lamb(),
        List.of(ParameterGroup.matching("*_bias").rule(Lamb.lamb().weightDecay(0))));
  }

  /** Saves after four steps, and goes on in a new model to the ninth. */
  private void goesOn(Mode mode, UpdateRule rule, List<ParameterGroup> groups) {
    WarmstepOptimizer[] optimizers = new WarmstepOptimizer[3];
    SequentialBlock[] blocks = new SequentialBlock[3];
    for (int i = 0; i < 3; i++) {
      blocks[i] = Toy.block();
      WarmstepOptimizerBuilder builder =
          WarmstepOptimizer.of(rule)
              .learningRate(Schedules.cosine(Rules.usualRate(rule), 12).warmUp(3))
              .names(blocks[i]);
      groups.forEach(builder::group);
      optimizers[i] = builder.build();
    }
    Path file = folder.resolve("state.safetensors");
    try (Toy expected = new Toy(optimizers[0], DataType.FLOAT32, blocks[0]);
        Toy interrupted = new Toy(optimizers[1], DataType.FLOAT32, blocks[1]);
        Toy resumed = new Toy(optimizers[2], DataType.FLOAT32, blocks[2])) {
      mode.with(expected, optimizers[0], step -> steps(expected, step, 1, 9));
      mode.with(
          interrupted,
          optimizers[1],
          step -> {
            steps(interrupted, step, 1, 4);
            save(optimizers[1], step, file, interrupted);
          });
      loadInto(resumed, interrupted);
      mode.with(
          resumed,
          optimizers[2],
          step -> {
            restore(optimizers[2], step, file, resumed);
            steps(resumed, step, 5, 9);
          });
      expected
          .allValues()
          .forEach((name, values) -> assertArrayEquals(values, resumed.values(name), name));
    }
  }

  /** The file has the numbers that the codes stand for, which become the same codes. */
  @ParameterizedTest
  @EnumSource(Mode.class)
  void codesGoOnWithTheSameBits(Mode mode) {
    WarmstepOptimizer whole = codes();
    WarmstepOptimizer first = codes();
    WarmstepOptimizer second = codes();
    Path file = folder.resolve("state.safetensors");
    try (Toy expected = new Toy(whole);
        Toy interrupted = new Toy(first);
        Toy resumed = new Toy(second)) {
      mode.with(expected, whole, step -> steps(expected, step, 1, 9));
      mode.with(
          interrupted,
          first,
          step -> {
            steps(interrupted, step, 1, 4);
            save(first, step, file, interrupted);
          });
      loadInto(resumed, interrupted);
      mode.with(
          resumed,
          second,
          step -> {
            restore(second, step, file, resumed);
            steps(resumed, step, 5, 9);
          });
      expected
          .allValues()
          .forEach((name, values) -> assertArrayEquals(values, resumed.values(name), name));
      for (String slot : new String[] {"exp_avg", "exp_avg_sq"}) {
        assertArrayEquals(
            whole.state(expected.model.getBlock(), WEIGHT, slot),
            second.state(resumed.model.getBlock(), WEIGHT, slot));
      }
    }
  }

  private static WarmstepOptimizer codes() {
    return WarmstepOptimizer.of(Adam.adamW())
        .learningRate(0.01)
        .stateType(StateType.INT8, 0)
        .build();
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

  /** What is stored in fewer bits is saved as the numbers that these stand for. */
  @ParameterizedTest
  @EnumSource
  void stateInFewerBitsComesBack(StateType type) throws IOException {
    Path file = folder.resolve("state.safetensors");
    ParameterGroup group = ParameterGroup.matching("*_weight").stateType(type, 0);
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Adam.adamW()).learningRate(0.1).group(group).build();
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 2);
      double[] moments = step.state(WEIGHT, "exp_avg");
      double[] squares = step.state(WEIGHT, "exp_avg_sq");
      step.save(file);
      steps(toy, step, 3, 3);
      step.restore(file);
      assertArrayEquals(moments, step.state(WEIGHT, "exp_avg"));
      assertArrayEquals(squares, step.state(WEIGHT, "exp_avg_sq"));
    }
  }

  private static SequentialBlock normalized() {
    return new SequentialBlock()
        .add(Linear.builder().setUnits(16).build())
        .add(BatchNorm.builder().optScale(false).build())
        .add(Linear.builder().setUnits(Toy.CLASSES).build());
  }

  /** After model.load, newTrainer has every parameter trained that is no running statistic. */
  @ParameterizedTest
  @EnumSource(Mode.class)
  void whatWasFrozenWhenSavedMayBeTrainedFromThenOn(Mode mode) throws Exception {
    String gamma = "02BatchNorm_gamma";
    WarmstepOptimizer whole = optimizer(Adam.adamW());
    WarmstepOptimizer resuming = optimizer(Adam.adamW());
    Path file = folder.resolve("state.safetensors");
    try (Toy expected = new Toy(whole, DataType.FLOAT32, normalized());
        Toy resumed = new Toy(resuming, DataType.FLOAT32, normalized())) {
      mode.with(
          expected,
          whole,
          step -> {
            steps(expected, step, 1, 4);
            save(whole, step, file, expected);
          });
      expected.model.save(folder, "toy");
      assertFalse(expected.parameters().get(gamma).requiresGradient());
      expected.parameters().get(gamma).freeze(false);
      mode.with(expected, whole, step -> steps(expected, step, 5, 9));

      resumed.trainer.close();
      resumed.model.load(folder, "toy");
      resumed.train(resuming);
      assertTrue(resumed.parameters().get(gamma).requiresGradient());
      mode.with(
          resumed,
          resuming,
          step -> {
            restore(resuming, step, file, resumed);
            assertNoState(resuming, resumed, gamma);
            steps(resumed, step, 5, 9);
          });
      expected
          .allValues()
          .forEach((name, values) -> assertArrayEquals(values, resumed.values(name), name));
      assertArrayEquals(
          whole.state(expected.model.getBlock(), gamma, "exp_avg"),
          resuming.state(resumed.model.getBlock(), gamma, "exp_avg"));
    }
  }

  private static void assertNoState(WarmstepOptimizer optimizer, Toy toy, String name) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> optimizer.state(toy.model.getBlock(), name, "exp_avg"))
            .getMessage();
    assertTrue(message.contains("it was never updated"), message);
  }

  /** The file says what had no state, so that only that may be missing. */
  @ParameterizedTest
  @EnumSource(Mode.class)
  void aFrozenBackboneIsTrainedInTheNextStage(Mode mode) throws IOException {
    WarmstepOptimizer first = optimizer(Adam.adam());
    WarmstepOptimizer second = optimizer(Adam.adam());
    Path file = folder.resolve("state.safetensors");
    try (Toy stage = new Toy(first);
        Toy next = new Toy(second)) {
      stage.model.getBlock().getChildren().get(0).getValue().freezeParameters(true);
      steps(stage, null, 1, 3);
      first.save(file, stage.model.getBlock());
      String text = Files.readString(file, StandardCharsets.ISO_8859_1);
      String untrained = "\"untrained\":\"[\\\"01Linear_weight\\\",\\\"01Linear_bias\\\"]\"";
      assertTrue(text.contains(untrained), text);
      loadInto(next, stage);
      mode.with(
          next,
          second,
          step -> {
            restore(second, step, file, next);
            assertEquals(3, second.stepCount());
            assertNoState(second, next, WEIGHT);
            double[] frozen = next.values(WEIGHT);
            steps(next, step, 4, 4);
            assertFalse(Arrays.equals(frozen, next.values(WEIGHT)), "it is trained");
          });
      assertEquals(4, second.stepCount());
      assertEquals(Toy.INPUTS * 16, second.state(next.model.getBlock(), WEIGHT, "exp_avg").length);
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
  void filesOfTheFirstFormatStillLoad() throws IOException {
    WarmstepOptimizer first = optimizer(Adam.adam());
    WarmstepOptimizer second = optimizer(Adam.adam());
    Path file = folder.resolve("state");
    try (Toy toy = new Toy(first)) {
      steps(toy, null, 1, 3);
      first.save(file, toy.model.getBlock());
      Path old = Files.write(folder.resolve("old"), FirstFormat.of(file, java.util.Map.of()));
      String text = Files.readString(old, StandardCharsets.ISO_8859_1);
      assertTrue(text.contains("\"" + WEIGHT + ".exp_avg\":{"), text);
      second.restore(old, toy.model.getBlock());
      assertEquals(3, second.stepCount());
      assertArrayEquals(
          first.state(toy.model.getBlock(), WEIGHT, "exp_avg"),
          second.state(toy.model.getBlock(), WEIGHT, "exp_avg"));
    }
  }

  @Test
  void savingFollowsLinksKeepsTheModeAndRefusesWhatIsNoFile() throws Exception {
    WarmstepOptimizer optimizer = optimizer(Adam.adam());
    Path target = folder.resolve("run-7");
    Path link = Files.createSymbolicLink(folder.resolve("latest"), Path.of("run-7"));
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      steps(toy, step, 1, 1);
      step.save(link);
      Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("r--------"));
      byte[] first = Files.readAllBytes(target);
      steps(toy, step, 2, 2);
      step.save(link);
      assertTrue(Files.isSymbolicLink(link));
      assertFalse(Arrays.equals(first, Files.readAllBytes(target)));
      assertEquals(
          "r--------", PosixFilePermissions.toString(Files.getPosixFilePermissions(target)));
      String message = assertThrows(IOException.class, () -> step.save(pipe)).getMessage();
      assertTrue(message.startsWith(pipe + ": this is a pipe"), message);
      assertTrue(Files.readAttributes(pipe, BasicFileAttributes.class).isOther());
      assertThrows(IOException.class, () -> step.save(folder));
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
