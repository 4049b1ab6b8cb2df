package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.rule.Adam;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.storage.StateCodes;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.LoggedWarnings;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a restore compares and says, and what starts anew since the file lacks it. */
class OptimizerRestorerTest {
  private static final float[] VALUES = {1, -2, 3};
  private static final float[] LOADED = {0.5f, 4, 8};
  private static final String STAYS =
      "the parameters' values are not in the file and stay as they are";

  private final Device device = Devices.cpu(1);
  private final List<AutoCloseable> opened = new ArrayList<>();

  @TempDir Path folder;

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
    device.close();
  }

  private Optimizer optimizer(Parameters parameters, UpdateRule rule, Options options) {
    opened.add(parameters);
    OptimizerBuilder settings = Optimizer.of(parameters).rule(rule).learningRate(0.1);
    options.accept(settings);
    Optimizer optimizer = settings.build();
    opened.add(optimizer);
    return optimizer;
  }

  private Optimizer optimizer(UpdateRule rule, Options options, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, VALUES);
    }
    return optimizer(builder.build(), rule, options);
  }

  /** What an optimizer is built with beside its rule. */
  private interface Options extends Consumer<OptimizerBuilder> {}

  private Optimizer adam(String... names) {
    return optimizer(Adam.adam(), builder -> {}, names);
  }

  private static Optimizer steps(Optimizer optimizer, int count) {
    for (int i = 0; i < count; i++) {
      for (Parameter parameter : optimizer.parameters()) {
        float[] gradients = new float[(int) parameter.length()];
        for (int j = 0; j < gradients.length; j++) {
          gradients[j] = 1 + i - 0.37f * (j % 1000);
        }
        parameter.gradients().copyFrom(gradients);
      }
      optimizer.step();
    }
    return optimizer;
  }

  private static byte[] saved(Optimizer optimizer) throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    optimizer.checkpoint().addTo(writer);
    return written(writer);
  }

  private static byte[] written(CheckpointWriter writer) throws IOException {
    BytesChannel channel = new BytesChannel();
    writer.write(channel);
    return channel.content();
  }

  private static RestoreReport restore(Optimizer optimizer, byte[] file) throws IOException {
    return optimizer.checkpoint().restore(new BytesChannel(file));
  }

  private static String mismatch(OptimizerCheckpoint checkpoint, byte[] file) {
    String message =
        assertThrows(
                CheckpointMismatchException.class, () -> checkpoint.restore(new BytesChannel(file)))
            .getMessage();
    String start = "the channel does not fit: ";
    assertTrue(message.startsWith(start), message);
    return message.substring(start.length());
  }

  private static String mismatch(Optimizer optimizer, CheckpointWriter writer) throws IOException {
    return mismatch(optimizer.checkpoint(), written(writer));
  }

  private static CheckpointWriter floats(CheckpointWriter writer, String name, float... values) {
    List<Long> shape = List.of((long) values.length);
    return writer.tensor(name, ElementFormat.F32, shape, TensorSource.of(values));
  }

  /** As a file of PyTorch's has Adam's or NAdam's state. */
  private static CheckpointWriter state(CheckpointWriter writer, String name, long step) {
    floats(writer, "state." + name + ".exp_avg", 1, 2, 3);
    floats(writer, "state." + name + ".exp_avg_sq", 4, 5, 6);
    return writer.number("state." + name + ".step", step);
  }

  private static CheckpointWriter state(String name, long step) {
    return state(new CheckpointWriter(), name, step);
  }

  private static float[] values(Optimizer optimizer, String name) {
    return optimizer.parameters().get(name).values().toFloats();
  }

  private static float[] slot(Optimizer optimizer, String name, String slot) {
    return optimizer.state(name, slot).toFloats();
  }

  private static Options apart(String... names) {
    return builder -> {
      for (String name : names) {
        builder.group(ParameterGroup.matching(name));
      }
    };
  }

  @Test
  void aLossScalersSettingsAreKeptAndSaidToDiffer() throws IOException {
    LossScaler few = LossScaler.dynamic(4, 2, 0.5, 3);
    LossScaler same = LossScaler.dynamic(8, 2, 0.5, 3);
    LossScaler other = LossScaler.dynamic(8, 4, 0.25, 5);
    byte[] file = saved(optimizer(Sgd.sgd(), builder -> builder.lossScaler(few), "w"));
    Optimizer second = optimizer(Sgd.sgd(), builder -> builder.lossScaler(same), "w");
    assertEquals(List.of(), restore(second, file).notes());
    Optimizer third = optimizer(Sgd.sgd(), builder -> builder.lossScaler(other), "w");
    assertEquals(
        List.of(
            "the loss scaler keeps its growth_factor of 4.0; the file has 2.0",
            "the loss scaler keeps its backoff_factor of 0.25; the file has 0.5",
            "the loss scaler keeps its growth_interval of 5.0; the file has 3.0"),
        restore(third, file).notes());
    assertEquals(4, other.scale());
  }

  @Test
  void aFileWithSomeValuesIsRefused() throws IOException {
    CheckpointWriter writer = floats(state(state("w", 2), "v", 2), "w", LOADED);
    assertEquals("the file has no values of v", mismatch(adam("w", "v"), writer));
  }

  @Test
  void aNegativeLearningRateIsRefused() throws IOException {
    CheckpointWriter writer = state("w", 2).number("param_groups.w.lr", -1.0);
    String message = mismatch(adam("w"), writer);
    assertTrue(message.startsWith("the file's learning rate is -1.0, must be"), message);
  }

  /** The first group's rule keeps no number, the second's does. */
  @Test
  void eachGroupsRuleSaysWhatItKeeps() throws IOException {
    Options options = builder -> builder.group(ParameterGroup.matching("b").rule(Adam.adam()));
    Optimizer first = steps(optimizer(NAdam.nAdam(), options, "w", "b"), 2);
    Optimizer second = optimizer(NAdam.nAdam(), options, "w", "b");
    assertEquals(List.of(), restore(second, saved(first)).notes());
    assertArrayEquals(saved(steps(first, 1)), saved(steps(second, 1)));
  }

  @Test
  void stateBelongsToTheLongestNameThatFits() throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    Optimizer optimizer = adam("w");
    optimizer.checkpoint().addTo(writer);
    floats(writer, "state.w.exp_avg.more", 1);
    assertEquals(
        "the file has state.w.exp_avg.more, which is no state of this optimizer's rule",
        mismatch(optimizer, writer));
  }

  @Test
  void stateOfAnUnknownNameBelongsToAllButItsEnd() throws IOException {
    CheckpointWriter writer = floats(state("w", 2), "state.gone.x.exp_avg", 1);
    assertEquals(
        "the file has a state of gone.x, which is no parameter here", mismatch(adam("w"), writer));
  }

  @Test
  void schedulesThatDifferAreDescribed() throws IOException {
    Schedule cosine = Schedules.cosine(0.1, 10);
    Options lambda = builder -> builder.learningRate(step -> 0.5);
    Options named = builder -> builder.learningRate(cosine);
    Optimizer ofLambda = optimizer(Sgd.sgd(), lambda, "w");
    Optimizer ofNamed = optimizer(Sgd.sgd(), named, "w");
    assertEquals(
        List.of("the schedule here is kept, " + cosine), restore(ofNamed, saved(ofLambda)).notes());
    assertEquals(
        List.of("the schedule here is kept; the file was saved under " + cosine),
        restore(ofLambda, saved(ofNamed)).notes());
  }

  @Test
  void scheduledHyperparametersAreSavedAndTheirSchedulesCompared() throws IOException {
    Schedule cosine = Schedules.cosine(0.1, 10);
    Optimizer first =
        optimizer(Adam.adam(), builder -> builder.schedule("weightDecay", cosine), "w");
    byte[] file = saved(steps(first, 3));
    try (CheckpointReader reader = CheckpointReader.open(new BytesChannel(file))) {
      assertEquals(
          cosine.rate(3), ScalarEntry.read(reader, "param_groups.w.weight_decay", 0).orElseThrow());
    }
    Optimizer second = adam("w");
    List<String> notes =
        second.checkpoint().keepHyperparameters().restore(new BytesChannel(file)).notes();
    assertTrue(
        notes.contains(
            "the schedules of hyperparameters here are kept, {}; the file was saved under"
                + " {weightDecay="
                + cosine
                + "}"),
        notes.toString());
  }

  @Test
  void aPlateauScheduleIsFoundOnce() {
    PlateauSchedule one = Schedules.reduceOnPlateau(0.1);
    PlateauSchedule other = Schedules.reduceOnPlateau(0.1);
    List<PlateauSchedule> found =
        OptimizerSaver.plateaus(List.of(one.warmUp(3), Schedules.constant(1), one, other));
    assertEquals(2, found.size());
    assertSame(one, found.get(0));
    assertSame(other, found.get(1));
  }

  @Test
  void membersOfAGroupMustAgreeOnWhatTheyShare() throws IOException {
    Optimizer two = optimizer(Prodigy.prodigy(), apart("w", "v"), "w", "v");
    byte[] same = saved(two);
    two.state("w", "d").copyFrom(new float[] {0.5f});
    Optimizer one = optimizer(Prodigy.prodigy(), apart(), "w", "v");
    assertEquals(
        "parameters of one group have different numbers: {"
            + (double) 1e-6f
            + "=state.v.d, 0.5=state.w.d}",
        mismatch(one.checkpoint(), saved(two)));
    restore(one, same);
  }

  @Test
  void membersOfAGroupMustAgreeOnWhatTheirRuleKeeps() throws IOException {
    CheckpointWriter writer = state(state("w", 2), "v", 2);
    writer.number("state.w.mu_product", 0.5).number("state.v.mu_product", 0.25);
    Optimizer optimizer = optimizer(NAdam.nAdam(), apart(), "w", "v");
    assertEquals(
        "parameters of one group have different numbers:"
            + " {0.25=state.v.mu_product, 0.5=state.w.mu_product}",
        mismatch(optimizer, writer));
  }

  @Test
  void whatARuleKeepsMustBeThereAfterTheFirstStep() throws IOException {
    Optimizer optimizer = optimizer(NAdam.nAdam(), apart(), "w");
    assertEquals("the file has no state.w.mu_product", mismatch(optimizer, state("w", 2)));
    assertEquals(
        "state.w.mu_product is NaN",
        mismatch(optimizer, state("w", 2).number("state.w.mu_product", Double.NaN)));
    restore(optimizer, written(state("w", 0)));
    assertEquals(1, optimizer.trainedGroups().get(0).kept()[0]);
  }

  @Test
  void aFileOfPyTorchsHasAStepCountOfAnyType() throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    floats(writer, "state.w.exp_avg", 1, 2, 3);
    floats(writer, "state.w.exp_avg_sq", 4, 5, 6);
    writer.tensor("state.w.step", ElementFormat.I32, List.of(), TensorSource.of(new int[] {5}));
    Optimizer optimizer = adam("w");
    assertEquals(List.of(STAYS), restore(optimizer, written(writer)).notes());
    assertEquals(5, optimizer.stepCount());
    assertEquals(List.of(STAYS), restore(optimizer, written(state("w", Long.MAX_VALUE))).notes());
    assertEquals(Long.MAX_VALUE, optimizer.stepCount());
  }

  /** One of two betas. */
  @Test
  void aHyperparameterThatAListLacksIsKept() throws IOException {
    CheckpointWriter writer = floats(state("w", 2), "param_groups.w.betas", 0.5f);
    Optimizer optimizer = optimizer(Adam.adam().betas(0.75, 0.25), apart(), "w");
    restore(optimizer, written(writer));
    assertEquals(Adam.adam().betas(0.5, 0.25), optimizer.trainedGroups().get(0).rules().rule());
  }

  @Test
  void keptHyperparametersMustRememberTheSameState() throws IOException {
    byte[] file = saved(adam("w"));
    Optimizer amsgrad = optimizer(Adam.adam().amsgrad(true), apart(), "w");
    String message = mismatch(amsgrad.checkpoint().keepHyperparameters(), file);
    assertTrue(
        message.contains("w had adam with {amsgrad=false}, which remembers other state"), message);
  }

  @Test
  void aLearningRateFactorMayBeZero() throws IOException {
    Options none = builder -> builder.group(ParameterGroup.matching("w").learningRateFactor(0));
    Optimizer second = optimizer(Sgd.sgd(), apart("w"), "w");
    restore(second, saved(optimizer(Sgd.sgd(), none, "w")));
    assertEquals(0, second.trainedGroups().get(0).rules().learningRateFactor());
  }

  @Test
  void aGroupIsFrozenAsItWasUnlessThatIsKept() throws IOException {
    Optimizer free = optimizer(Sgd.sgd(), apart("w"), "w");
    Optimizer frozen = optimizer(Sgd.sgd(), apart("w"), "w");
    frozen.groups().freeze("w");
    byte[] ofFree = saved(free);
    byte[] ofFrozen = saved(frozen);
    assertEquals(List.of(), restore(frozen, ofFrozen).notes());
    assertTrue(frozen.groups().isFrozen("w"));
    RestoreReport report =
        free.checkpoint().keepHyperparameters().restore(new BytesChannel(ofFrozen));
    assertEquals(
        List.of("w was frozen when the file was saved: it stays as it is here"), report.notes());
    assertFalse(free.groups().isFrozen("w"));
    report = frozen.checkpoint().keepHyperparameters().restore(new BytesChannel(ofFree));
    assertEquals(
        List.of("w was not frozen when the file was saved: it stays as it is here"),
        report.notes());
    assertTrue(frozen.groups().isFrozen("w"));
    assertEquals(
        List.of("w was not frozen when the file was saved: so it is now"),
        restore(frozen, ofFree).notes());
    assertFalse(frozen.groups().isFrozen("w"));
  }

  @Test
  void anAddedMembersStateStartsAnewBesideWhatItsGroupShares() throws IOException {
    Optimizer first = steps(optimizer(Prodigy.prodigy(), apart(), "w"), 2);
    first.state("w", "d").copyFrom(new float[] {0.5f});
    Optimizer second = steps(optimizer(Prodigy.prodigy(), apart(), "w", "v"), 3);
    second.checkpoint().allowAdded().restore(new BytesChannel(saved(first)));
    assertArrayEquals(new float[] {0.5f}, slot(second, "v", "d"));
    assertArrayEquals(values(second, "v"), slot(second, "v", "p0"));
    assertArrayEquals(VALUES, slot(second, "w", "p0"));
    assertArrayEquals(new float[3], slot(second, "v", "s"));
  }

  @Test
  void anAddedGroupsStateStartsAnew() throws IOException {
    Optimizer first = optimizer(Prodigy.prodigy(), apart("w"), "w");
    Optimizer second = optimizer(Prodigy.prodigy(), apart("w", "v"), "w", "v");
    second.state("v", "d").copyFrom(new float[] {0.5f});
    second.checkpoint().allowAdded().restore(new BytesChannel(saved(first)));
    assertArrayEquals(new float[] {1e-6f}, slot(second, "v", "d"));
  }

  private Parameters halves(String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, ElementType.BFLOAT16, VALUES);
    }
    return builder.build();
  }

  private static void withMaster(OptimizerBuilder builder) {
    builder.masterWeights(MasterWeights.EXACT).average(0.9);
  }

  /** Bits of steps before must not stay in them. */
  @Test
  void mastersAndAveragesThatTheFileLacksStartAtTheValues() throws IOException {
    Optimizer plain = steps(optimizer(halves("w"), Adam.adam(), apart()), 2);
    Optimizer second = optimizer(halves("w"), Adam.adam(), OptimizerRestorerTest::withMaster);
    steps(second, 3);
    assertFalse(Arrays.equals(values(second, "w"), slot(second, "w", "master")));
    assertEquals(
        List.of(
            "w has no master in the file: it starts at the values",
            "w has no average in the file: it starts at the values"),
        restore(second, saved(plain)).notes());
    assertArrayEquals(values(plain, "w"), values(second, "w"));
    assertArrayEquals(values(plain, "w"), slot(second, "w", "master"));
    assertArrayEquals(values(plain, "w"), slot(second, "w", "average"));
  }

  @Test
  void whatTheFileHasBesideWhatItLacksIsTaken() throws IOException {
    Options options = OptimizerRestorerTest::withMaster;
    Options master = builder -> builder.masterWeights(MasterWeights.EXACT);
    Options average = builder -> builder.average(0.9);
    Optimizer second = steps(optimizer(halves("w"), Adam.adam(), options), 3);
    Optimizer ofMaster = steps(optimizer(halves("w"), Adam.adam(), master), 2);
    restore(second, saved(ofMaster));
    assertArrayEquals(slot(ofMaster, "w", "master"), slot(second, "w", "master"));
    Optimizer ofAverage = steps(optimizer(halves("w"), Adam.adam(), average), 2);
    restore(second, saved(ofAverage));
    assertArrayEquals(slot(ofAverage, "w", "average"), slot(second, "w", "average"));
  }

  @Test
  void mastersAndAveragesOfAddedParametersStartAtTheValues() throws IOException {
    Options options = OptimizerRestorerTest::withMaster;
    Optimizer first = steps(optimizer(halves("w"), Adam.adam(), options), 2);
    Optimizer second = steps(optimizer(halves("w", "v"), Adam.adam(), options), 3);
    second.checkpoint().allowAdded().restore(new BytesChannel(saved(first)));
    assertArrayEquals(slot(first, "w", "master"), slot(second, "w", "master"));
    assertArrayEquals(slot(first, "w", "average"), slot(second, "w", "average"));
    assertArrayEquals(values(second, "v"), slot(second, "v", "master"));
    assertArrayEquals(values(second, "v"), slot(second, "v", "average"));
  }

  @Test
  void anAverageThatTheFileLacksFollowsTheValuesUntilTheFirstStep() throws IOException {
    Optimizer averaged = optimizer(Adam.adam(), builder -> builder.average(0.9), "w");
    restore(averaged, saved(adam("w")));
    averaged.parameters().get("w").values().copyFrom(LOADED);
    assertArrayEquals(LOADED, slot(averaged, "w", "average"));
  }

  @Test
  void nobodyIsWarnedOfStateThatARestoreLeftOut() throws IOException {
    Optimizer second = optimizer(Adam.adam(), builder -> builder.startAfter(10), "w", "v");
    second.checkpoint().allowAdded().restore(new BytesChannel(saved(adam("w"))));
    try (LoggedWarnings warnings = new LoggedWarnings()) {
      steps(second, 1);
      assertEquals(List.of(), warnings.messages());
    }
  }

  @Test
  void aFileThatIsCutMeanwhileLeavesNothingToGoOnWith() throws IOException {
    Path whole = folder.resolve("whole");
    Path cut = folder.resolve("cut");
    Path none = folder.resolve("none");
    state("w", 2).write(whole);
    Files.copy(whole, cut);
    Optimizer optimizer = adam("w");
    try (CheckpointReader reader = CheckpointReader.open(cut)) {
      reader.verify();
      try (FileChannel channel = FileChannel.open(cut, StandardOpenOption.WRITE)) {
        channel.truncate(channel.size() - 1);
      }
      OptimizerRestorer restorer = new OptimizerRestorer(optimizer, optimizer.checkpoint(), reader);
      assertThrows(IOException.class, restorer::restore);
    }
    assertThrows(StepFailedException.class, optimizer::step);
    assertThrows(StepFailedException.class, () -> optimizer.save(none));
    assertTrue(Files.notExists(none));
    optimizer.restore(whole);
    optimizer.save(none);
  }

  @Test
  void accumulatedGradientsCannotBeSavedAndARestoreForgetsThem() throws IOException {
    Optimizer optimizer = steps(adam("w"), 1);
    byte[] file = saved(optimizer);
    optimizer.accumulate();
    assertTrue(
        assertThrows(IllegalStateException.class, () -> saved(optimizer))
            .getMessage()
            .contains("no checkpoint has them: save right after a step"));
    restore(optimizer, file);
    assertArrayEquals(file, saved(optimizer));
  }

  @Test
  void aCallersStepCountMayBeZero() throws IOException {
    OptimizerCheckpoint checkpoint = adam("w").checkpoint();
    assertSame(checkpoint, checkpoint.startAfter(0));
    assertThrows(IllegalArgumentException.class, () -> checkpoint.startAfter(-1));
  }

  @Test
  void aRestoredRunHasNotJustSkippedAStep() throws IOException {
    Optimizer optimizer = optimizer(Adam.adam(), builder -> builder.skipNonFinite(true), "w");
    byte[] file = saved(optimizer);
    optimizer.parameters().get("w").gradients().copyFrom(new float[] {0, Float.NaN, 0});
    optimizer.step();
    assertTrue(optimizer.isLastStepSkipped());
    restore(optimizer, file);
    assertFalse(optimizer.isLastStepSkipped());
    assertEquals(0, optimizer.skippedSteps());
  }

  private static void coded(OptimizerBuilder builder) {
    builder.stateType(StateType.INT8, 0);
  }

  /** More than is copied at a time. */
  @Test
  void longStateOfCodesIsRestoredAsItWas() throws IOException {
    int length = (1 << 20) + 40;
    Parameters[] parameters = new Parameters[3];
    for (int i = 0; i < parameters.length; i++) {
      parameters[i] = Parameters.on(device).add("w", ElementType.FLOAT32, length).build();
    }
    Options coded = OptimizerRestorerTest::coded;
    Optimizer first = steps(optimizer(parameters[0], Adam.adam(), coded), 2);
    byte[] file = saved(first);
    Optimizer same = optimizer(parameters[1], Adam.adam(), coded);
    restore(same, file);
    assertArrayEquals(file, saved(same));
    Optimizer decoded = optimizer(parameters[2], Adam.adam(), apart());
    restore(decoded, file);
    for (String slot : List.of("exp_avg", "exp_avg_sq")) {
      float[] numbers = slot(first, "w", slot);
      assertArrayEquals(numbers, slot(same, "w", slot), slot);
      assertArrayEquals(numbers, slot(decoded, "w", slot), slot);
    }
  }

  @Test
  void codesAreRestoredToCodesOfTheirKindOrFloat32() throws IOException {
    byte[] file = saved(optimizer(Adam.adam(), OptimizerRestorerTest::coded, "w"));
    Optimizer rounded =
        optimizer(Adam.adam(), builder -> builder.stateType(StateType.BFLOAT16, 0), "w");
    assertEquals(
        "state.w.exp_avg is codes of 8 bits in the file, I8, here bfloat16;"
            + " state.w.exp_avg_sq is codes of 8 bits in the file, U8, here bfloat16",
        mismatch(rounded.checkpoint(), file));
    CheckpointWriter writer = new CheckpointWriter();
    codes(writer, "state.w.exp_avg", ElementFormat.U8);
    codes(writer, "state.w.exp_avg_sq", ElementFormat.I8);
    writer.number("state.w.step", 2L);
    assertEquals(
        "state.w.exp_avg is codes of 8 bits in the file, U8, here I8;"
            + " state.w.exp_avg_sq is codes of 8 bits in the file, I8, here U8",
        mismatch(optimizer(Adam.adam(), OptimizerRestorerTest::coded, "w"), writer));
  }

  private static void codes(CheckpointWriter writer, String name, ElementFormat format) {
    writer.tensor(name, format, List.of(3L), TensorSource.of(new byte[3]));
    scales(writer, name, ElementFormat.U16, 1);
  }

  private static void scales(
      CheckpointWriter writer, String name, ElementFormat format, int count) {
    TensorSource source = TensorSource.of(new short[count]);
    writer.tensor(name + ".scale", format, List.of((long) count), source);
  }

  /**
   * A file with Adam's state as codes, of a group each for 35 elements of which the last has this.
   */
  private static CheckpointWriter codes(int moment, int momentScale, int square, int squareScale) {
    return codes(35, moment, momentScale, square, squareScale);
  }

  private static CheckpointWriter codes(
      int length, int moment, int momentScale, int square, int squareScale) {
    CheckpointWriter writer = new CheckpointWriter();
    byte[] moments = new byte[length];
    byte[] squares = new byte[length];
    moments[length - 1] = (byte) moment;
    squares[length - 1] = (byte) square;
    short[] scales = new short[(int) StateCodes.groups(length)];
    short[] squareScales = scales.clone();
    scales[scales.length - 1] = (short) momentScale;
    squareScales[scales.length - 1] = (short) squareScale;
    List<Long> shape = List.of((long) length);
    writer.tensor("state.w.exp_avg", ElementFormat.I8, shape, TensorSource.of(moments));
    scales(writer, "state.w.exp_avg", scales);
    writer.tensor("state.w.exp_avg_sq", ElementFormat.U8, shape, TensorSource.of(squares));
    scales(writer, "state.w.exp_avg_sq", squareScales);
    return writer.number("state.w.step", 2L);
  }

  private static void scales(CheckpointWriter writer, String name, short... scales) {
    List<Long> shape = List.of((long) scales.length);
    writer.tensor(name + ".scale", ElementFormat.U16, shape, TensorSource.of(scales));
  }

  private Optimizer ofCodes(Options options) {
    return ofCodes(35, options);
  }

  private Optimizer ofCodes(int length, Options options) {
    Parameters parameters = Parameters.on(device).add("w", new float[length]).build();
    return optimizer(parameters, Adam.adam(), options);
  }

  private static String word(int scale) {
    return "0x" + Integer.toHexString(scale) + " (" + Float.intBitsToFloat(scale << 15) + ")";
  }

  /** To codes and, where they are decoded, to float32. */
  @Test
  void codesThatNothingWritesAreRefusedAndChangeNothing() throws IOException {
    String instead = ": restore another checkpoint, or encode the state as Warmstep does";
    String moments = ", must be at most " + word(0xfd00) + ", which larger numbers count as";
    String squares = ", must be at most " + word(0xbeff) + ", which larger numbers count as";
    String scale = "state.w.exp_avg.scale is ";
    String squareScale = "state.w.exp_avg_sq.scale is ";
    String code = "state.w.exp_avg is 1 at 34 beside a scale of 0, must be 0 or -128" + instead;
    String square = "state.w.exp_avg_sq is 253 at 34 beside a scale of 0, must be 0, 254 or 255";
    Options[] options = {OptimizerRestorerTest::coded, apart()};
    for (Options kind : options) {
      Optimizer optimizer = steps(ofCodes(kind), 1);
      byte[] before = saved(optimizer);
      assertEquals(
          scale + word(0xffff) + " at 1" + moments + instead,
          mismatch(optimizer, codes(1, 0xffff, 1, 0xbeff)));
      assertEquals(
          scale + word(0xff00) + " at 1" + moments + instead,
          mismatch(optimizer, codes(0, 0xff00, 0, 0)));
      assertEquals(
          scale + word(0xfd01) + " at 1" + moments + instead,
          mismatch(optimizer, codes(127, 0xfd01, 0, 0)));
      assertEquals(
          squareScale + word(0xbf00) + " at 1" + squares + instead,
          mismatch(optimizer, codes(127, 0xfd00, 1, 0xbf00)));
      assertEquals(code, mismatch(optimizer, codes(1, 0, 1, 1)));
      assertEquals(code + "; " + square + instead, mismatch(optimizer, codes(1, 0, 253, 0)));
      assertArrayEquals(before, saved(optimizer));
    }
  }

  /** More than is looked at at a time. */
  @Test
  void theLastOfManyCodesIsRefused() throws IOException {
    int length = (1 << 17) + 35;
    Optimizer optimizer = ofCodes(length, OptimizerRestorerTest::coded);
    String scale = "state.w.exp_avg.scale is " + word(0xfd01) + " at 4097, ";
    String code = "; state.w.exp_avg_sq is 200 at 131106 beside a scale of 0, ";
    String message = mismatch(optimizer, codes(length, 0, 0xfd01, 200, 0));
    assertTrue(message.startsWith(scale), message);
    assertTrue(message.contains(code), message);
    restore(optimizer, written(codes(length, 127, 0xfd00, 254, 0)));
    assertEquals(0x1p126f, slot(optimizer, "w", "exp_avg")[length - 1]);
  }

  @Test
  void codesBesideTheLeastAndTheLargestScaleAreRestored() throws IOException {
    Optimizer optimizer = ofCodes(OptimizerRestorerTest::coded);
    restore(optimizer, written(codes(127, 0xfd00, 253, 0xbeff)));
    assertEquals(0x1p126f, slot(optimizer, "w", "exp_avg")[34]);
    assertEquals(StateCodes.largest(true), slot(optimizer, "w", "exp_avg_sq")[34]);
    restore(optimizer, written(codes(-128, 0, 254, 0)));
    assertEquals(Float.NaN, slot(optimizer, "w", "exp_avg")[34]);
    assertEquals(Float.POSITIVE_INFINITY, slot(optimizer, "w", "exp_avg_sq")[34]);
    restore(optimizer, written(codes(-1, 1, 255, 0)));
    assertEquals(Float.NaN, slot(optimizer, "w", "exp_avg_sq")[34]);
  }

  /** Whatever an optimizer holds as codes, and so saves, can be restored. */
  @Test
  void codesOfAnyNumbersAreRestored() throws IOException {
    float[][] groups = {
      {Float.NaN},
      {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY},
      {Float.MAX_VALUE, -Float.MAX_VALUE, Float.NaN},
      {Float.MIN_VALUE, -Float.MIN_VALUE},
      {-0f},
      {Float.MIN_NORMAL, Float.POSITIVE_INFINITY, -1}
    };
    for (float[] numbers : groups) {
      Optimizer optimizer = ofCodes(OptimizerRestorerTest::coded);
      for (String slot : List.of("exp_avg", "exp_avg_sq")) {
        optimizer.state("w", slot).copyFrom(Arrays.copyOf(numbers, 35));
      }
      byte[] file = saved(optimizer);
      Optimizer same = ofCodes(OptimizerRestorerTest::coded);
      restore(same, file);
      assertArrayEquals(file, saved(same));
    }
  }

  @Test
  void onlyBytesWithAScaleForEachGroupAreCodes() throws IOException {
    String name = "state.w.exp_avg";
    String none = "the file has " + name + ".scale, which is no state of this optimizer's rule";
    CheckpointWriter numbers = state("w", 2);
    scales(numbers, name, ElementFormat.U16, 1);
    assertEquals(none, mismatch(adam("w"), numbers));
    Options[] options = {OptimizerRestorerTest::coded, apart()};
    for (Options kind : options) {
      for (int count = 0; count <= 2; count++) {
        CheckpointWriter writer = new CheckpointWriter();
        writer.tensor(name, ElementFormat.I8, List.of(3L), TensorSource.of(new byte[3]));
        if (count > 0) {
          scales(writer, name, count == 1 ? ElementFormat.I16 : ElementFormat.U16, count);
        }
        codes(writer, name + "_sq", ElementFormat.U8);
        writer.number("state.w.step", 2L);
        String found =
            switch (count) {
              case 0 -> " is missing";
              case 1 -> " is I16 of length 1 in the file";
              default -> " is U16 of length 2 in the file";
            };
        assertEquals(
            name
                + ".scale"
                + found
                + ", must be U16 of length 1, the scales of "
                + name
                + ", which is I8",
            mismatch(optimizer(Adam.adam(), kind, "w"), writer));
      }
    }
  }
}
