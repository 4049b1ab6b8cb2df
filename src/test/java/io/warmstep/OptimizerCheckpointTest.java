package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.CorruptCheckpointException;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.checkpoint.SavedOptimizer;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.BytesChannel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is taken from a file, what is refused, and what a refusal leaves as it was. */
class OptimizerCheckpointTest {
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

  private Optimizer optimizer(
      UpdateRule rule, Consumer<OptimizerBuilder> options, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, new float[] {1, -2, name.length()});
    }
    Parameters parameters = builder.build();
    opened.add(parameters);
    OptimizerBuilder settings = Optimizer.of(parameters).rule(rule).learningRate(0.1);
    options.accept(settings);
    Optimizer optimizer = settings.build();
    opened.add(optimizer);
    return optimizer;
  }

  private Optimizer adam(String... names) {
    return optimizer(Adam.adam(), builder -> {}, names);
  }

  private static Optimizer steps(Optimizer optimizer, int count) {
    for (int i = 0; i < count; i++) {
      for (Parameter parameter : optimizer.parameters()) {
        parameter.gradients().copyFrom(new float[] {1 + i, -3, 0.5f});
      }
      optimizer.step();
    }
    return optimizer;
  }

  private static byte[] saved(Optimizer optimizer) throws IOException {
    BytesChannel channel = new BytesChannel();
    optimizer.checkpoint().save(channel);
    return channel.content();
  }

  private static float[] values(Optimizer optimizer, String name) {
    return optimizer.parameters().get(name).values().toFloats();
  }

  /** A refusal must leave all bits and counts as they are. */
  private static <E extends Exception> String refused(
      Class<E> type, OptimizerCheckpoint checkpoint, Optimizer optimizer, byte[] file)
      throws IOException {
    byte[] before = saved(optimizer);
    E e = assertThrows(type, () -> checkpoint.restore(new BytesChannel(file)));
    assertArrayEquals(before, saved(optimizer));
    return e.getMessage();
  }

  private static String mismatch(Optimizer optimizer, byte[] file) throws IOException {
    return refused(CheckpointMismatchException.class, optimizer.checkpoint(), optimizer, file);
  }

  @Test
  void aFileIsSavedAndRestored() throws IOException {
    Path file = folder.resolve("run.safetensors");
    Optimizer first = steps(adam("w", "b"), 3);
    first.save(file);
    Optimizer second = adam("w", "b");
    RestoreReport report = second.restore(file);
    assertEquals("restored at step 3", report.toString());
    assertArrayEquals(saved(first), saved(second));
  }

  @Test
  void theNamesArePyTorchs() throws IOException {
    LossScaler scaler = LossScaler.dynamic();
    UpdateRule rule = Adam.adamW().betas(0.8, 0.99).amsgrad(true);
    Optimizer optimizer =
        optimizer(
            rule,
            builder ->
                builder
                    .lossScaler(scaler)
                    .group(ParameterGroup.matching("b").learningRateFactor(2)),
            "a.w",
            "b");
    try (CheckpointReader reader =
        CheckpointReader.open(new BytesChannel(saved(steps(optimizer, 2))))) {
      List<String> names = reader.tensors().stream().map(Object::toString).toList();
      for (String expected :
          List.of(
              "a.w of F32 [3]",
              "state.a.w.exp_avg of F32 [3]",
              "state.a.w.exp_avg_sq of F32 [3]",
              "state.a.w.max_exp_avg_sq of F32 [3]",
              "state.a.w.step of I64 []",
              "param_groups.a.w.lr of F64 []",
              "param_groups.a.w.betas of F64 [2]",
              "param_groups.a.w.eps of F64 []",
              "param_groups.a.w.weight_decay of F64 []",
              "param_groups.a.w.decoupled_weight_decay of BOOL []",
              "param_groups.a.w.amsgrad of BOOL []",
              "param_groups.a.w.caution of BOOL []",
              "param_groups.a.w.maximize of BOOL []",
              "grad_scaler.scale of F64 []",
              "grad_scaler.growth_factor of F64 []",
              "grad_scaler.backoff_factor of F64 []",
              "grad_scaler.growth_interval of I64 []",
              "grad_scaler._growth_tracker of I64 []")) {
        assertTrue(names.contains(expected), expected + " in " + names);
      }
      assertEquals(2 * (1 + 3 + 1 + 8) + 5, names.size());
      assertEquals(0.1, number(reader, "param_groups.a.w.lr"));
      assertEquals(0.2, number(reader, "param_groups.b.lr"));
      assertEquals(
          "{\"steps\":2,\"skipped_steps\":0,\"learning_rate\":0.1,\"groups\":[{\"rule\":\"adam\","
              + "\"learning_rate_factor\":2.0,\"parameters\":[\"b\"],\"frozen\":false},{\"rule\":\"adam\","
              + "\"learning_rate_factor\":1.0,\"parameters\":[\"a.w\"],\"frozen\":false}],"
              + "\"constant_learning_rate\":0.1,\"schedule\":\""
              + Schedules.constant(0.1)
              + "\",\"plateaus\":[]}",
          reader.metadata().get("optimizer"));
    }
  }

  private static double number(CheckpointReader reader, String name) throws IOException {
    double[] value = new double[1];
    reader.read(reader.tensor(name).orElseThrow(), 0, value, 0, 1);
    return value[0];
  }

  @Test
  void theFilesHyperparametersAreTaken() throws IOException {
    UpdateRule rule = Adam.adamW().betas(0.8, 0.95).eps(1e-3).weightDecay(0.2);
    Optimizer first =
        optimizer(
            rule,
            builder -> builder.group(ParameterGroup.matching("b").learningRateFactor(0.5)),
            "w",
            "b");
    byte[] file = saved(steps(first, 2));
    Consumer<OptimizerBuilder> group =
        builder -> builder.group(ParameterGroup.matching("b").learningRateFactor(3));
    Optimizer second = optimizer(Adam.adam(), group, "w", "b");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(file));
    assertEquals(11, report.notes().size(), report.toString());
    assertTrue(
        report.notes().contains("weight_decay of w is 0.2 in the file, 0.0 here: 0.2 is taken"),
        report.toString());
    assertTrue(
        report
            .notes()
            .contains("learning_rate_factor of b is 0.5 in the file, 3.0 here: 0.5 is taken"),
        report.toString());
    assertArrayEquals(saved(steps(first, 3)), saved(steps(second, 3)));

    Optimizer keeping = optimizer(Adam.adam(), group, "w", "b");
    report = keeping.checkpoint().keepHyperparameters().restore(new BytesChannel(file));
    assertTrue(
        report.notes().contains("weight_decay of w is 0.2 in the file, 0.0 here: 0.0 is kept"),
        report.toString());
    assertEquals(Adam.adam(), keeping.trainedGroups().get(0).rules().rule());
    assertEquals(3, keeping.trainedGroups().get(0).rules().learningRateFactor());
    assertFalse(Arrays.equals(saved(steps(first, 1)), saved(steps(keeping, 1))));
  }

  /** One that was set between steps goes on, also in an optimizer that was built with another. */
  @Test
  void theFilesConstantLearningRateIsTaken() throws IOException {
    Optimizer first = steps(adam("w"), 2);
    first.learningRate(0.03);
    byte[] file = saved(first);
    Optimizer second = adam("w");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(file));
    assertEquals(
        List.of("the learning rate is 0.03 in the file, 0.1 here: 0.03 is taken"), report.notes());
    assertArrayEquals(saved(steps(first, 2)), saved(steps(second, 2)));

    Optimizer keeping = adam("w");
    report = keeping.checkpoint().keepHyperparameters().restore(new BytesChannel(file));
    assertEquals(
        List.of("the learning rate is 0.03 in the file, 0.1 here: 0.1 is kept"), report.notes());
    assertEquals(0.1, steps(keeping, 1).learningRate());
  }

  /** PyTorch's files have it for each parameter. */
  @Test
  void theLearningRateOfAFileOfPyTorchsIsTaken() throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    for (String name : List.of("a", "b")) {
      writer.tensor("state." + name + ".exp_avg", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
      writer.tensor(
          "state." + name + ".exp_avg_sq", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
      writer.number("state." + name + ".step", 3L);
      writer.number("param_groups." + name + ".lr", name.equals("a") ? 0.5 : 0.25);
    }
    byte[] file = written(writer);
    Optimizer one =
        optimizer(
            Adam.adam(),
            builder -> builder.group(ParameterGroup.matching("b").learningRateFactor(0.5)),
            "a",
            "b");
    RestoreReport report = one.checkpoint().restore(new BytesChannel(file));
    assertTrue(
        report.notes().contains("the learning rate is 0.5 in the file, 0.1 here: 0.5 is taken"),
        report.toString());
    assertEquals(0.5, steps(one, 1).learningRate());
    Optimizer both = adam("a", "b");
    report = both.checkpoint().restore(new BytesChannel(file));
    assertTrue(
        report.notes().contains("the file has the learning rates [0.25, 0.5]: 0.1 is kept"),
        report.toString());
  }

  /** Nesterov's momentum has the same state and another kernel. */
  @Test
  void optionsThatChangeTheKernelAreTaken() throws IOException {
    Optimizer first = optimizer(Momentum.nesterov(0.7), builder -> {}, "w");
    Optimizer second = optimizer(Momentum.heavyBall(0.9), builder -> {}, "w");
    second.checkpoint().restore(new BytesChannel(saved(steps(first, 2))));
    assertArrayEquals(saved(steps(first, 2)), saved(steps(second, 2)));
  }

  @Test
  void anotherRuleOrStateIsRefused() throws IOException {
    byte[] file = saved(steps(adam("w"), 2));
    String message = mismatch(optimizer(RmsProp.rmsProp(), builder -> {}, "w"), file);
    assertTrue(message.contains("w has rule adam in the file, rmsprop here"), message);
    assertTrue(message.contains("the file has no state.w.square_avg"), message);
    message = mismatch(optimizer(Adam.adam().amsgrad(true), builder -> {}, "w"), file);
    assertTrue(message.contains("the file has no state.w.max_exp_avg_sq"), message);
    assertTrue(message.contains("w had adam with {amsgrad=false}"), message);
    byte[] more = saved(optimizer(Adam.adam().amsgrad(true), builder -> {}, "w"));
    message = mismatch(adam("w"), more);
    assertTrue(message.contains("the file has state.w.max_exp_avg_sq, which is no"), message);
  }

  @Test
  void renamedAddedAndDroppedParametersAreListed() throws IOException {
    Optimizer first = steps(adam("w", "old.bias", "gone"), 2);
    byte[] file = saved(first);
    Optimizer second = adam("w", "new.bias", "extra.long");
    String message = mismatch(second, file);
    assertEquals(
        "the channel does not fit: the file has no state of new.bias; the file has no state of"
            + " extra.long; the file has a state of gone, which is no parameter here; the file has"
            + " a state of old.bias, which is no parameter here",
        message);
    steps(second, 1);
    RestoreReport report =
        second
            .checkpoint()
            .rename("old.bias", "new.bias")
            .allowAdded()
            .allowDropped()
            .restore(new BytesChannel(file));
    assertEquals(
        List.of(
            "extra.long is not in the file and starts with an empty state",
            "gone is in the file, but no parameter here: it is skipped"),
        report.notes());
    assertArrayEquals(values(first, "old.bias"), values(second, "new.bias"));
    assertArrayEquals(
        first.state("old.bias", "exp_avg").toFloats(),
        second.state("new.bias", "exp_avg").toFloats());
    assertArrayEquals(new float[3], second.state("extra.long", "exp_avg").toFloats());
    assertThrows(IllegalArgumentException.class, () -> second.checkpoint().rename("a", "nonesuch"));
  }

  @Test
  void otherLengthsAndTypesAreRefused() throws IOException {
    CheckpointWriter writer =
        new CheckpointWriter()
            .tensor("state.w.exp_avg", ElementFormat.F32, List.of(2L), floats(1, 2))
            .tensor(
                "state.w.exp_avg_sq",
                ElementFormat.F64,
                List.of(3L),
                TensorSource.of(new double[3]));
    String message = mismatch(adam("w"), written(writer));
    assertTrue(message.contains("state.w.exp_avg has 2 elements in the file, 3 here"), message);
    assertTrue(message.contains("state.w.exp_avg_sq is F64 in the file, here float32"), message);
  }

  private static TensorSource floats(float... values) {
    return TensorSource.of(values);
  }

  private static byte[] written(CheckpointWriter writer) throws IOException {
    BytesChannel channel = new BytesChannel();
    writer.write(channel);
    return channel.content();
  }

  /** As a file of PyTorch's is: no mark, no metadata, and bfloat16 state. */
  @Test
  void aFileOfPyTorchsNamesIsRestored() throws IOException {
    String header =
        "{\"state.w.exp_avg\":{\"dtype\":\"BF16\",\"shape\":[3,1],\"data_offsets\":[16,22]},"
            + "\"state.w.exp_avg_sq\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]},"
            + "\"state.w.step\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            + "\"param_groups.w.betas\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[22,30]}}";
    ByteBuffer file = ByteBuffer.allocate(8 + header.length() + 30).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8));
    file.putFloat(7).putFloat(1).putFloat(2).putFloat(3);
    file.putShort((short) 0x3f80).putShort((short) 0xc000).putShort((short) 0);
    file.putFloat(0.5f).putFloat(0.75f);
    Optimizer optimizer = adam("w");
    float[] before = values(optimizer, "w");
    RestoreReport report = optimizer.checkpoint().restore(new BytesChannel(file.array()));
    assertEquals(7, optimizer.stepCount());
    assertFalse(report.parametersRestored());
    assertArrayEquals(before, values(optimizer, "w"));
    assertArrayEquals(new float[] {1, -2, 0}, optimizer.state("w", "exp_avg").toFloats());
    assertArrayEquals(new float[] {1, 2, 3}, optimizer.state("w", "exp_avg_sq").toFloats());
    assertEquals(Adam.adam().betas(0.5, 0.75), optimizer.trainedGroups().get(0).rules().rule());
  }

  @Test
  void aFileWithoutStepCountTakesTheCallers() throws IOException {
    byte[] file =
        written(
            new CheckpointWriter()
                .tensor(
                    "state.w.momentum_buffer", ElementFormat.F32, List.of(3L), floats(1, 2, 3)));
    Optimizer optimizer = optimizer(Momentum.heavyBall(0.9), builder -> {}, "w");
    RestoreReport report = optimizer.checkpoint().startAfter(11).restore(new BytesChannel(file));
    assertEquals(11, optimizer.stepCount());
    assertTrue(report.notes().toString().contains("goes on after step 11"), report.toString());
  }

  @Test
  void hyperparametersOutOfRangeAndDifferingStepsAreRefused() throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    for (String name : List.of("a", "b")) {
      writer.tensor("state." + name + ".exp_avg", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
      writer.tensor(
          "state." + name + ".exp_avg_sq", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
      writer.number("state." + name + ".step", name.equals("a") ? 3L : 4L);
      writer.number("param_groups." + name + ".eps", -1.0);
      writer.number("param_groups." + name + ".weight_decay", name.equals("a") ? 0.0 : 0.1);
    }
    String message = mismatch(adam("a", "b"), written(writer));
    assertTrue(message.contains("eps is -1.0, must be"), message);
    assertTrue(
        message.contains("different step counts: {3=state.a.step, 4=state.b.step}"), message);
    assertTrue(message.contains("a and b have different weight_decay in the file"), message);
  }

  @Test
  void numbersThatTheArithmeticCannotHoldAreRefused() throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    writer.tensor("state.w.exp_avg", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
    writer.tensor("state.w.exp_avg_sq", ElementFormat.F32, List.of(3L), floats(1, 2, 3));
    writer.number("state.w.step", 3L);
    writer.number("param_groups.w.weight_decay", 2.6e-318);
    String message = mismatch(adam("w"), written(writer));
    assertTrue(message.contains("weightDecay is 2.6E-318, which is 0.0 in float32"), message);
  }

  @Test
  void damageChangesNothing() throws IOException {
    Optimizer optimizer = steps(adam("w"), 1);
    byte[] file = saved(steps(adam("w"), 3));
    for (int length = 0; length < file.length; length++) {
      byte[] cut = Arrays.copyOf(file, length);
      refused(CorruptCheckpointException.class, optimizer.checkpoint(), optimizer, cut);
    }
    for (int bit = 0; bit < file.length * 8; bit++) {
      byte[] flipped = file.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      refused(CorruptCheckpointException.class, optimizer.checkpoint(), optimizer, flipped);
    }
  }

  /** Of the random numbers of parameters in bfloat16, whose updates are below half a unit. */
  private Optimizer rounded(long seed, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      float[] ones = new float[300];
      Arrays.fill(ones, 1);
      builder.add(name, ElementType.BFLOAT16, ones);
    }
    Parameters parameters = builder.build();
    opened.add(parameters);
    Optimizer optimizer =
        Optimizer.of(parameters)
            .rule(Sgd.sgd())
            .learningRate(0.001)
            .rounding(Rounding.STOCHASTIC, seed)
            .build();
    opened.add(optimizer);
    return optimizer;
  }

  private static Optimizer roundedSteps(Optimizer optimizer, int count) {
    float[] ones = new float[300];
    Arrays.fill(ones, 1);
    for (int i = 0; i < count; i++) {
      optimizer.parameters().forEach(parameter -> parameter.gradients().copyFrom(ones));
      optimizer.step();
    }
    return optimizer;
  }

  private static SavedOptimizer.StochasticRounding rounding(byte[] file) throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(new BytesChannel(file))) {
      return SavedOptimizer.of(reader).orElseThrow().stochasticRounding().orElseThrow();
    }
  }

  private static void assertSameValues(Optimizer expected, Optimizer actual) {
    for (Parameter parameter : expected.parameters()) {
      assertArrayEquals(
          parameter.values().toFloats(), values(actual, parameter.name()), parameter.name());
    }
  }

  @Test
  void theSeedAndTheParametersNumbersAreTaken() throws IOException {
    Optimizer first = roundedSteps(rounded(Long.MIN_VALUE + 3, "w", "b"), 3);
    byte[] file = saved(first);
    Optimizer second = rounded(7, "b", "w");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(file));
    assertEquals(
        List.of(
            "the seed of stochastic rounding is -9223372036854775805 in the file, 7 here:"
                + " -9223372036854775805 is taken"),
        report.notes());
    assertEquals(rounding(file), rounding(saved(second)));
    assertEquals(Map.of("w", 0, "b", 1), rounding(file).numbers());
    assertSameValues(roundedSteps(first, 3), roundedSteps(second, 3));
  }

  @Test
  void anotherOrderIsNoDifference() throws IOException {
    Optimizer first = roundedSteps(rounded(5, "w", "b"), 1);
    Optimizer second = rounded(5, "b", "w");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(saved(first)));
    assertEquals("restored at step 1", report.toString());
    assertSameValues(roundedSteps(first, 2), roundedSteps(second, 2));
  }

  @Test
  void theSeedMayBeKept() throws IOException {
    Optimizer first = roundedSteps(rounded(5, "w", "b"), 2);
    byte[] file = saved(first);
    Optimizer second = rounded(7, "b", "w");
    RestoreReport report =
        second.checkpoint().keepHyperparameters().restore(new BytesChannel(file));
    assertEquals(
        List.of("the seed of stochastic rounding is 5 in the file, 7 here: 7 is kept"),
        report.notes());
    assertEquals(
        new SavedOptimizer.StochasticRounding(7, Map.of("w", 0, "b", 1)), rounding(saved(second)));
  }

  /** As in files of earlier versions, and of runs that rounded to nearest. */
  @Test
  void aFileWithoutASeedLeavesItAndTheNumbersAsTheyAre() throws IOException {
    byte[] file = saved(roundedSteps(rounded(5, "w"), 2));
    byte[] old;
    try (CheckpointReader reader = CheckpointReader.open(new BytesChannel(file))) {
      String json = reader.metadata().get(SavedOptimizer.KEY);
      String without = json.replaceFirst(",\"stochastic_rounding\":\\{.*?}}", "");
      assertTrue(without.length() < json.length(), json);
      old =
          written(
              new CheckpointWriter()
                  .metadata(SavedOptimizer.KEY, without)
                  .number("state.w.step", 2L));
    }
    Optimizer second = rounded(5, "w");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(old));
    assertEquals(2, report.stepCount());
    assertEquals(
        List.of(
            "the file has no seed of stochastic rounding: 5 and the parameters' numbers stay as"
                + " they are",
            "the parameters' values are not in the file and stay as they are"),
        report.notes());
    assertEquals(rounding(file), rounding(saved(second)));
  }

  @Test
  void aSeedWithoutUseIsSkipped() throws IOException {
    byte[] file = saved(rounded(5, "w"));
    Parameters parameters =
        Parameters.on(device).add("w", ElementType.BFLOAT16, new float[300]).build();
    opened.add(parameters);
    try (Optimizer optimizer =
        Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.001).build()) {
      RestoreReport report = optimizer.checkpoint().restore(new BytesChannel(file));
      assertEquals(
          List.of(
              "the file has a seed of stochastic rounding, the optimizer rounds to nearest: it is"
                  + " skipped"),
          report.notes());
      assertThrows(NoSuchElementException.class, () -> rounding(saved(optimizer)));
    }
  }

  @Test
  void eachParameterHasANumberOfItsOwn() throws IOException {
    byte[] file = saved(roundedSteps(rounded(5, "gone", "w", "old"), 2));
    Optimizer second = rounded(5, "extra", "copy", "w", "new");
    second
        .checkpoint()
        .rename("old", "new")
        .rename("w", "copy")
        .allowAdded()
        .allowDropped()
        .restore(new BytesChannel(file));
    assertEquals(
        Map.of("copy", 1, "new", 2, "extra", 0, "w", 3), rounding(saved(second)).numbers());
    Parameters more =
        Parameters.on(device).add("late", ElementType.BFLOAT16, new float[300]).build();
    opened.add(0, more);
    second.groups().add(more);
    assertEquals(4, rounding(saved(second)).numbers().get("late"));
    roundedSteps(second, 1);
    assertFalse(Arrays.equals(values(second, "copy"), values(second, "w")));
  }

  @Test
  void microBatchesAreForgottenWhateverIsTaken() throws IOException {
    byte[] file = saved(roundedSteps(rounded(5, "w", "b"), 2));
    Optimizer second = rounded(7, "b", "w");
    second.accumulate();
    second.checkpoint().restore(new BytesChannel(file));
    assertEquals(0, second.accumulated());
    assertEquals(2, second.stepCount());
  }

  @Test
  void roundingThatMakesNoSenseIsDamage() throws IOException {
    String valid =
        "{\"steps\":0,\"skipped_steps\":0,\"learning_rate\":\"NaN\",\"groups\":[],\"plateaus\":[],"
            + "\"schedule\":\"\",\"stochastic_rounding\":";
    Optimizer optimizer = rounded(5);
    for (String json :
        List.of(
            "7",
            "{\"seed\":1}",
            "{\"numbers\":{}}",
            "{\"seed\":1.5,\"numbers\":{}}",
            "{\"seed\":1,\"numbers\":{\"w\":-1}}",
            "{\"seed\":1,\"numbers\":{\"w\":0.5}}",
            "{\"seed\":1,\"numbers\":{\"w\":2147483648}}",
            "{\"seed\":1,\"numbers\":{\"w\":1,\"b\":1}}")) {
      CheckpointWriter writer = new CheckpointWriter().metadata("optimizer", valid + json + "}");
      String message =
          refused(
              CorruptCheckpointException.class, optimizer.checkpoint(), optimizer, written(writer));
      assertTrue(message.contains("metadata \"optimizer\" makes no sense"), message);
    }
    CheckpointWriter writer =
        new CheckpointWriter()
            .metadata("optimizer", valid + "{\"seed\":1,\"numbers\":{\"w\":2147483647}}}");
    optimizer.checkpoint().restore(new BytesChannel(written(writer)));
    assertEquals(1, rounding(saved(optimizer)).seed());
  }

  @Test
  void metadataThatMakesNoSenseIsDamage() throws IOException {
    for (String json :
        List.of("", "7", "{}", "{\"groups\":[]}", "{\"groups\":[7],\"plateaus\":[]}", "[[[[")) {
      CheckpointWriter writer = new CheckpointWriter().metadata("optimizer", json);
      Optimizer optimizer = adam("w");
      String message =
          refused(
              CorruptCheckpointException.class, optimizer.checkpoint(), optimizer, written(writer));
      assertTrue(message.contains("metadata \"optimizer\" makes no sense"), message);
    }
  }

  @Test
  void valuesMayBeLeftOut() throws IOException {
    Optimizer first = steps(adam("w"), 2);
    BytesChannel without = new BytesChannel();
    first.checkpoint().withoutParameters().save(without);
    without.position(0);
    Optimizer second = adam("w");
    float[] before = values(second, "w");
    RestoreReport report = second.checkpoint().restore(without);
    assertFalse(report.parametersRestored());
    assertEquals(
        List.of("the parameters' values are not in the file and stay as they are"), report.notes());
    assertArrayEquals(before, values(second, "w"));
    Optimizer third = adam("w");
    third.checkpoint().withoutParameters().restore(new BytesChannel(saved(first)));
    assertArrayEquals(before, values(third, "w"));
    assertEquals(2, third.stepCount());
  }

  @Test
  void aScheduleIsKeptAndSaidToDiffer() throws IOException {
    byte[] file = saved(steps(adam("w"), 2));
    Optimizer second =
        optimizer(Adam.adam(), builder -> builder.learningRate(Schedules.cosine(0.1, 10)), "w");
    RestoreReport report = second.checkpoint().restore(new BytesChannel(file));
    assertEquals(1, report.notes().size(), report.toString());
    assertTrue(report.notes().get(0).startsWith("the schedule here is kept"), report.toString());
    Optimizer lambda = optimizer(Sgd.sgd(), builder -> builder.learningRate(step -> 0.5), "w");
    steps(lambda, 1).checkpoint().restore(new BytesChannel(saved(lambda)));
  }

  @Test
  void aNameThatIsAnotherOnesStateIsRefused() {
    Optimizer optimizer = adam("w", "state.w.exp_avg");
    BytesChannel channel = new BytesChannel();
    String message =
        assertThrows(IllegalArgumentException.class, () -> optimizer.checkpoint().save(channel))
            .getMessage();
    assertTrue(message.contains("\"state.w.exp_avg\" is in the file already"), message);
  }

  @Test
  void aClosedOptimizerIsRefused() throws IOException {
    Optimizer optimizer = adam("w");
    byte[] file = saved(optimizer);
    optimizer.close();
    Path path = folder.resolve("closed");
    assertThrows(ClosedException.class, () -> optimizer.save(path));
    assertTrue(Files.notExists(path));
    assertThrows(
        ClosedException.class, () -> optimizer.checkpoint().restore(new BytesChannel(file)));
  }

  /** A model of another's, such as one of Hugging Face's. */
  @Test
  void aModelIsNoOptimizersState() throws IOException {
    byte[] file =
        written(
            new CheckpointWriter().tensor("w", ElementFormat.F32, List.of(3L), floats(1, 2, 3)));
    String message = mismatch(adam("w"), file);
    assertTrue(message.endsWith("does not fit: the file has no state of w"), message);
  }

  private static Parameters shaped(Device device, long... shape) {
    ParametersBuilder builder = Parameters.on(device).add("w", new float[] {1, 2, 3, 4, 5, 6});
    return shape.length == 0 ? builder.build() : builder.shape("w", shape).build();
  }

  @Test
  void shapesAreSavedAndCompared(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("shaped");
    Path flat = folder.resolve("flat");
    try (Device device = Devices.cpu(1);
        Parameters two = shaped(device, 2, 3);
        Parameters other = shaped(device, 3, 2);
        Parameters none = shaped(device);
        Optimizer ofTwo = Optimizer.of(two).rule(Adam.adam()).learningRate(1).build();
        Optimizer ofOther = Optimizer.of(other).rule(Adam.adam()).learningRate(1).build();
        Optimizer ofNone = Optimizer.of(none).rule(Adam.adam()).learningRate(1).build()) {
      assertEquals(List.of(2L, 3L), two.get("w").shape());
      assertEquals(List.of(6L), none.get("w").shape());
      ofTwo.step();
      ofTwo.save(file);
      ofNone.save(flat);
      try (CheckpointReader reader = CheckpointReader.open(file)) {
        assertEquals(List.of(2L, 3L), reader.tensor("w").orElseThrow().shape());
        assertEquals(List.of(2L, 3L), reader.tensor("state.w.exp_avg").orElseThrow().shape());
      }
      String message =
          assertThrows(CheckpointMismatchException.class, () -> ofOther.restore(file)).getMessage();
      assertTrue(message.contains("w has the shape [2, 3] in the file, [3, 2] here"), message);
      ofNone.restore(file); // it was given no shape, so any will do
      assertEquals(1, ofNone.stepCount());
      ofTwo.restore(flat); // as files of before shapes are
      assertEquals(0, ofTwo.stepCount());
    }
  }

  @Test
  void aShapeMustFit() {
    try (Device device = Devices.cpu(1)) {
      for (long[] wrong :
          new long[][] {{}, {5}, {-2, -3}, {2, 3, 2}, {1L << 62, 6}, {6, 1L << 63}}) {
        String message =
            assertThrows(IllegalArgumentException.class, () -> shapeOfSix(device, wrong))
                .getMessage();
        assertTrue(message.contains("must be lengths of at least 0 whose product is 6"), message);
      }
      assertEquals(List.of(1L, 6L, 1L), shaped(device, 1, 6, 1).get("w").shape());
    }
  }

  private static void shapeOfSix(Device device, long[] shape) {
    Parameters.on(device).add("w", new float[6]).shape("w", shape);
  }
}
