package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Rules;
import io.warmstep.rule.ScheduleFreeAdamW;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.FoldedDevices;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.StoredForm;
import io.warmstep.testkit.StoredNumbers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule and every way to store, on a tensor of more elements than an int counts. Its memory is
 * folded ({@link FoldedDevices}): other than 0 are only elements at the start, around 2^30, around
 * 2^31 and at the end. {@link HugeTest} has all of the memory. Runs on request, see
 * CONTRIBUTING.md.
 */
@Tag("huge")
class HugeRulesTest {
  private static final ElementType BFLOAT16 = ElementType.BFLOAT16;
  private static final ElementType FLOAT32 = ElementType.FLOAT32;
  private static final long LENGTH = (1L << 31) + 4097;
  private static final double RATE = 0.0123;
  private static final long SEED = 0x123456789abcdefL;
  private static final int STEPS = 2;

  /** Elements of a chunk before or behind a power of two: whole leaves. */
  private static final int PART = 4096;

  /** Where chunks of elements other than 0 begin. */
  private static final long[] FROM = {0, (1L << 30) - PART, (1L << 31) - PART};

  /** Numbers of the elements other than 0. */
  private static final long[] PLACES =
      Arrays.stream(FROM).flatMap(from -> LongStream.range(from, from + length(from))).toArray();

  /** Where there is nothing but zeros: all of what is folded, and beside chunks. */
  private static final long[] ZEROS = {LENGTH / 3, 2 * PART, (1L << 30) + PART};

  private static final int ZEROS_LENGTH = 1 << 20;

  @TempDir Path folder;

  private static int length(long from) {
    return (int) Math.min(2 * PART + (from > 1L << 30 ? 1 : 0), LENGTH - from);
  }

  static Stream<Arguments> devices() {
    return FoldedDevices.all().map(Arguments::of);
  }

  private static Stream<Arguments> each(List<?> cases) {
    return FoldedDevices.all()
        .flatMap(device -> cases.stream().map(its -> Arguments.of(device, its)));
  }

  /**
   * Muon's matrices, Prodigy's sums over groups and clipping, which LAMB else brings along, have
   * tests of their own.
   */
  static Stream<Arguments> rules() {
    List<UpdateRule> rules =
        new ArrayList<>(
            Rules.ofEachKernel().stream()
                .filter(rule -> rule.matrix().isEmpty() && !(rule instanceof Prodigy))
                .map(rule -> rule instanceof Lamb lamb ? lamb.maxGradNorm(0) : rule)
                .toList());
    rules.add(RmsProp.rmsProp().centered(true).momentum(0.5));
    rules.add(Adam.adamW().amsgrad(true));
    return each(rules);
  }

  /** Of a rule without sums, and some of one whose sums are of state as it is stored. */
  static Stream<Arguments> forms() {
    ElementType type = BFLOAT16;
    StateType int8 = StateType.INT8;
    Rounding nearest = Rounding.NEAREST;
    Rounding random = Rounding.STOCHASTIC;
    MasterWeights none = MasterWeights.NONE;
    List<StoredForm> forms = new ArrayList<>(StoredForm.ofEachChoice());
    forms.add(new StoredForm(type, type, MasterWeights.BITS_24, int8, nearest));
    forms.add(new StoredForm(type, type, none, StateType.BFLOAT16, random));
    forms.add(StoredForm.plain(FLOAT32));
    return FoldedDevices.all()
        .flatMap(
            device ->
                Stream.concat(
                    forms.stream().map(form -> Arguments.of(device, Adam.adamW(), form)),
                    forms.stream()
                        .filter(form -> form.values() == type && form.rounding() == random)
                        .map(form -> Arguments.of(device, Lamb.lamb().maxGradNorm(0), form))));
  }

  private static double[] numbers(long seed, ElementType type) {
    return Numbers.ordinary(new SplittableRandom(seed), type, PLACES.length);
  }

  /** Whole numbers, whose squares add up to the same in any order. */
  private static double[] whole(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return random.ints(PLACES.length, -2, 3).asDoubleStream().toArray();
  }

  private static void write(Tensor tensor, double[] numbers) {
    int at = 0;
    for (long from : FROM) {
      int n = length(from);
      tensor.slice(from, n).copyFrom(Arrays.copyOfRange(numbers, at, at + n));
      at += n;
    }
  }

  private static double[] read(Tensor tensor) {
    double[] numbers = new double[PLACES.length];
    int at = 0;
    for (long from : FROM) {
      int n = length(from);
      System.arraycopy(tensor.slice(from, n).toDoubles(), 0, numbers, at, n);
      at += n;
    }
    return numbers;
  }

  private static void checkZeros(Tensor tensor, String what) {
    for (long from : ZEROS) {
      checkZeros(tensor, from, what);
    }
  }

  private static void checkZeros(Tensor tensor, long from, String what) {
    double[] found = tensor.slice(from, ZEROS_LENGTH).toDoubles();
    Bits.assertSame(new double[ZEROS_LENGTH], found, () -> what + " from " + from);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("rules")
  void stepsAsPlainLoops(FoldedDevices device, UpdateRule rule) {
    checkSteps(device, rule, StoredForm.plain(BFLOAT16));
  }

  @ParameterizedTest(name = "{0}, {1}, {2}")
  @MethodSource("forms")
  void storesAsPlainLoops(FoldedDevices device, UpdateRule rule, StoredForm form) {
    checkSteps(device, rule, form);
  }

  private static void checkSteps(FoldedDevices opened, UpdateRule rule, StoredForm form) {
    StoredNumbers stored = new StoredNumbers(rule, form, SEED, i -> PLACES[i]);
    double[] initial = numbers(1, form.values());
    Reference reference = Reference.sparse(rule, FLOAT32, initial, PLACES, LENGTH);
    try (Device device = opened.open();
        Parameters parameters =
            Parameters.on(device)
                .gradientType(form.gradients())
                .add("p", form.values(), LENGTH)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(rule)
                .learningRate(RATE)
                .masterWeights(form.masters())
                .stateType(form.state())
                .rounding(form.rounding(), SEED)
                .build()) {
      write(parameters.get("p").values(), initial);
      for (int step = 1; step <= STEPS; step++) {
        double[] gradients = numbers(10 + step, form.gradients());
        write(parameters.get("p").gradients(), gradients);
        long number = step;
        reference.step(
            step,
            RATE,
            gradients,
            1,
            1,
            0,
            (slot, values) -> stored.state(slot, values, number, 0));
        stored.convert(reference, step, 0);
        optimizer.step();
        check(parameters, optimizer, reference, stored, rule + ", " + form + ", step " + step);
      }
      checkZeros(parameters.get("p").values(), rule + ", " + form);
    }
    assertFalse(Arrays.equals(initial, reference.parameters()), "moved");
  }

  private static void check(
      Parameters parameters,
      Optimizer optimizer,
      Reference reference,
      StoredNumbers stored,
      String where) {
    double[] expected = reference.parameters();
    double[] values = read(parameters.get("p").values());
    if (stored.form().masters() == MasterWeights.NONE) {
      Bits.assertSame(expected, values, () -> where);
    } else {
      Tensor masters = optimizer.state("p", "master");
      Bits.assertSame(expected, read(masters), () -> where + ", master");
      Bits.assertSame(stored.ofMasters(expected), values, () -> where);
    }
    List<StateSlot> slots = reference.rule().stateSlots();
    for (int i = 0; i < slots.size(); i++) {
      if (slots.get(i).isState() && reference.has(i)) {
        String slot = slots.get(i).name();
        Tensor state = optimizer.state("p", slot);
        double[] found = state.length() == 1 ? state.toDoubles() : read(state);
        Bits.assertSame(reference.state(i), found, () -> where + ", " + slot);
      }
    }
  }

  /**
   * What a step does besides its rule, on a tensor of the elements other than 0 alone too: with the
   * same numbers, as these have no part in any sum.
   */
  private record Twins(String name, ElementType type, UnaryOperator<OptimizerBuilder> choice) {
    Twins(String name, UnaryOperator<OptimizerBuilder> choice) {
      this(name, BFLOAT16, choice);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Arguments> twins() {
    return each(
        List.of(
            new Twins(
                "clipped by norm, zeroing",
                its -> its.rule(Sgd.sgd()).clipNorm(1).zeroGradients(true)),
            new Twins(
                "clipped by magnitudes, skipping",
                its ->
                    its.rule(Momentum.heavyBall(0.9))
                        .clipNorm(1, Norm.L1)
                        .lossScaler(LossScaler.fixed(2))),
            new Twins(
                "clipped by the largest, average",
                its ->
                    its.rule(Adam.adamW())
                        .clipNorm(1, Norm.MAX)
                        .masterWeights(MasterWeights.EXACT)
                        .stateType(StateType.INT8, 0)
                        .average(0.5)),
            new Twins("clipped adaptively", its -> its.rule(Adam.adam()).adaptiveClip(0.01)),
            new Twins(
                "lookahead",
                its ->
                    its.rule(Lookahead.around(Adam.adamW()).k(2))
                        .masterWeights(MasterWeights.BITS_24)),
            new Twins(
                "schedule-free", FLOAT32, its -> its.rule(ScheduleFreeAdamW.scheduleFreeAdamW()))));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("twins")
  void stepsAsTheOthersAlone(FoldedDevices opened, Twins twins) {
    List<double[]> expected;
    List<StepReport> reports = new ArrayList<>();
    List<StepReport> expectedReports = new ArrayList<>();
    try (Device device = Devices.cpu(1)) {
      expected = twin(device, twins, false, expectedReports);
    }
    try (Device device = opened.open()) {
      List<double[]> found = twin(device, twins, true, reports);
      for (int i = 0; i < expected.size(); i++) {
        int number = i;
        Bits.assertSame(expected.get(i), found.get(i), () -> twins + ", array " + number);
      }
    }
    assertEquals(expectedReports, reports);
    assertEquals(2, reports.size());
    assertFalse(Arrays.equals(whole(1), expected.get(expected.size() - 1)), "moved");
  }

  private static List<double[]> twin(
      Device device, Twins twins, boolean isHuge, List<StepReport> reports) {
    List<double[]> found = new ArrayList<>();
    long length = isHuge ? LENGTH : PLACES.length;
    try (Parameters parameters = Parameters.on(device).add("p", twins.type, length).build();
        Optimizer optimizer =
            twins
                .choice
                .apply(Optimizer.of(parameters).learningRate(0.25).listener(reports::add, 1))
                .build()) {
      Tensor values = parameters.get("p").values();
      Tensor gradients = parameters.get("p").gradients();
      put(values, whole(1), isHuge);
      put(gradients, whole(11), isHuge);
      optimizer.step();
      found.add(get(values, isHuge));
      found.add(get(gradients, isHuge));
      for (int batch = 0; batch < 2; batch++) {
        put(gradients, whole(20 + batch), isHuge);
        optimizer.accumulate();
      }
      optimizer.step();
      for (String name : optimizer.stateNames("p")) {
        found.add(get(optimizer.state("p", name), isHuge));
      }
      optimizer.flushReports();
      double[] trained = get(values, isHuge);
      if (optimizer.stateNames("p").contains("average") || twins.name.equals("schedule-free")) {
        optimizer.eval();
        found.add(get(values, isHuge));
        assertFalse(Arrays.equals(trained, get(values, isHuge)), "evaluated");
        optimizer.train();
      }
      found.add(get(values, isHuge));
      assertArrayEquals(trained, get(values, isHuge));
      if (isHuge) {
        checkZeros(values, twins.name);
        checkZeros(gradients, twins.name + ", gradients");
      }
    }
    return found;
  }

  private static void put(Tensor tensor, double[] numbers, boolean isHuge) {
    if (isHuge) {
      write(tensor, numbers);
    } else {
      tensor.copyFrom(numbers);
    }
  }

  private static double[] get(Tensor tensor, boolean isHuge) {
    return isHuge ? read(tensor) : tensor.toDoubles();
  }

  /** Its sums are the same in any order where one leaf alone has elements other than 0. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("devices")
  void prodigyStepsAsOneLeafAlone(FoldedDevices opened) {
    for (long from : new long[] {0, 1L << 31}) {
      List<double[]> expected;
      try (Device device = Devices.cpu(1)) {
        expected = prodigy(device, PART, 0);
      }
      try (Device device = opened.open()) {
        List<double[]> found = prodigy(device, LENGTH, from);
        for (int i = 0; i < expected.size(); i++) {
          int number = i;
          Bits.assertSame(expected.get(i), found.get(i), () -> "array " + number);
        }
      }
    }
  }

  private static List<double[]> prodigy(Device device, long length, long from) {
    List<double[]> found = new ArrayList<>();
    try (Parameters parameters = Parameters.on(device).add("p", BFLOAT16, length).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Prodigy.prodigy().d0(1e-3)).learningRate(1).build()) {
      Tensor values = parameters.get("p").values().slice(from, PART);
      values.copyFrom(Arrays.copyOf(numbers(1, BFLOAT16), PART));
      for (int step = 1; step <= STEPS; step++) {
        double[] gradients = Arrays.copyOf(numbers(10 + step, BFLOAT16), PART);
        parameters.get("p").gradients().slice(from, PART).copyFrom(gradients);
        optimizer.step();
      }
      found.add(values.toDoubles());
      for (String name : optimizer.stateNames("p")) {
        Tensor state = optimizer.state("p", name);
        found.add((state.length() == 1 ? state : state.slice(from, PART)).toDoubles());
      }
    }
    return found;
  }

  /** The factors of a matrix, by the formula in double. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("devices")
  void adafactorFactorsAMatrix(FoldedDevices opened) {
    long rows = 65_537;
    int columns = 32_771;
    assertTrue(rows * columns > 1L << 31);
    long[] ones = {0, rows / 2, rows - 1}; // rows that have gradients
    int n = 5000; // elements of these
    SplittableRandom random = new SplittableRandom(3);
    double[][] gradients = new double[ones.length][];
    double[] columnSums = new double[n];
    double rowMeans = 0;
    for (int i = 0; i < ones.length; i++) {
      gradients[i] = random.doubles(n, 0.5, 2).map(x -> (float) x).toArray();
      for (int j = 0; j < n; j++) {
        columnSums[j] += gradients[i][j] * gradients[i][j];
      }
      rowMeans += Arrays.stream(gradients[i]).map(g -> g * g).sum() / columns / rows;
    }
    try (Device device = opened.open();
        Parameters parameters =
            Parameters.on(device)
                .add("p", FLOAT32, rows * columns)
                .shape("p", rows, columns)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adafactor.adafactor()).learningRate(0.5).build()) {
      for (int i = 0; i < ones.length; i++) {
        parameters.get("p").gradients().slice(ones[i] * columns, n).copyFrom(gradients[i]);
      }
      optimizer.step();
      double squares = 0;
      double[][] updates = new double[ones.length][n];
      for (int i = 0; i < ones.length; i++) {
        double row = Arrays.stream(gradients[i]).map(g -> g * g).sum() / columns;
        assertEquals(row, optimizer.state("p", "row_var").slice(ones[i], 1).toDoubles()[0], 1e-5);
        for (int j = 0; j < n; j++) {
          double variance = row * (columnSums[j] / rows) / rowMeans;
          updates[i][j] = gradients[i][j] / Math.sqrt(variance);
          squares += updates[i][j] * updates[i][j];
        }
      }
      double rms = Math.sqrt(squares / rows / columns);
      double stepSize = 1e-3 * 0.5 / Math.max(1, rms);
      for (int i = 0; i < ones.length; i++) {
        double[] found = parameters.get("p").values().slice(ones[i] * columns, n).toDoubles();
        for (int j = 0; j < n; j++) {
          double expected = -stepSize * updates[i][j];
          assertEquals(expected, found[j], Math.abs(expected) * 1e-4, "row " + ones[i]);
        }
      }
      checkZeros(parameters.get("p").values(), ZEROS[0], "adafactor");
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("devices")
  void oneMatrixOfSoManyIsRefused(FoldedDevices opened) {
    try (Device device = opened.open();
        Parameters parameters =
            Parameters.on(device)
                .add("p", BFLOAT16, LENGTH + 1)
                .shape("p", 2, (LENGTH + 1) / 2)
                .build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(Muon.muon()).learningRate(RATE);
      String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
      assertEquals(
          "a matrix is 2 x 1073743873, must be of fewer than 2^31 elements for a rule of matrices:"
              + " put the parameter in a group under AdamW",
          message);
    }
  }

  /** In one allocation, of which some are not 0. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("devices")
  void matricesOfSoManyTogether(FoldedDevices opened) {
    int columns = (1 << 20) + 1;
    int count = 1025; // of two rows each
    List<Integer> some = List.of(0, 511, 512, 1023, 1024);
    assertTrue(2L * columns * count > 1L << 31);
    IntFunction<double[]> numbers =
        seed -> Numbers.ordinary(new SplittableRandom(seed), BFLOAT16, 2 * columns);
    List<double[]> expected = new ArrayList<>();
    try (Device device = Devices.cpu(2);
        Parameters parameters = matrices(device, columns, some.size());
        Optimizer optimizer = Optimizer.of(parameters).rule(muon()).learningRate(RATE).build()) {
      for (int i = 0; i < some.size(); i++) {
        parameters.get("p" + i).gradients().copyFrom(numbers.apply(i));
      }
      optimizer.step();
      for (int i = 0; i < some.size(); i++) {
        expected.add(parameters.get("p" + i).values().toDoubles());
      }
    }
    try (Device device = opened.open();
        Parameters parameters = matrices(device, columns, count);
        Optimizer optimizer = Optimizer.of(parameters).rule(muon()).learningRate(RATE).build()) {
      for (int i = 0; i < some.size(); i++) {
        parameters.get("p" + some.get(i)).gradients().copyFrom(numbers.apply(i));
      }
      optimizer.step();
      for (int i = 0; i < some.size(); i++) {
        String name = "p" + some.get(i);
        Bits.assertSame(expected.get(i), parameters.get(name).values().toDoubles(), () -> name);
      }
      assertArrayEquals(
          new double[2 * columns], parameters.get("p700").values().toDoubles(), "zeros");
    }
  }

  /** The workspace, which is by the matrix, is not folded, nor is the time. */
  private static Muon muon() {
    return Muon.muon().newtonSchulz(3.4445, -4.7750, 2.0315, 1);
  }

  private static Parameters matrices(Device device, int columns, int count) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < count; i++) {
      builder.add("p" + i, BFLOAT16, 2L * columns).shape("p" + i, 2, columns);
    }
    return builder.build();
  }

  /** 9 GB in a file. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("devices")
  void goesOnFromACheckpoint(FoldedDevices opened) throws IOException {
    Path file = folder.resolve("huge.safetensors");
    List<double[]> expected;
    try (Device device = opened.open();
        Parameters parameters = Parameters.on(device).add("p", BFLOAT16, LENGTH).build();
        Optimizer optimizer = saved(parameters)) {
      write(parameters.get("p").values(), numbers(1, BFLOAT16));
      write(parameters.get("p").gradients(), numbers(11, BFLOAT16));
      optimizer.step();
      optimizer.save(file);
      expected = stepped(parameters, optimizer);
    }
    assertTrue(Files.size(file) > LENGTH * 4);
    try (Device device = opened.open();
        Parameters parameters = Parameters.on(device).add("p", BFLOAT16, LENGTH).build();
        Optimizer optimizer = saved(parameters)) {
      optimizer.restore(file);
      List<double[]> found = stepped(parameters, optimizer);
      for (int i = 0; i < expected.size(); i++) {
        int number = i;
        Bits.assertSame(expected.get(i), found.get(i), () -> "array " + number);
      }
      checkZeros(parameters.get("p").values(), "restored");
    } finally {
      Files.delete(file);
    }
  }

  private static Optimizer saved(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW())
        .learningRate(RATE)
        .stateType(StateType.INT8)
        .rounding(Rounding.STOCHASTIC, SEED)
        .build();
  }

  private static List<double[]> stepped(Parameters parameters, Optimizer optimizer) {
    write(parameters.get("p").gradients(), numbers(12, BFLOAT16));
    optimizer.step();
    return List.of(
        read(parameters.get("p").values()),
        read(optimizer.state("p", "exp_avg")),
        read(optimizer.state("p", "exp_avg_sq")));
  }
}
