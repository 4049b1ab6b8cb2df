package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.TestModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Squares that are kept as factors of rows and columns: the same bits as the reference's for every
 * kind of shape, around the tiles' sizes and for many matrices, whatever the gradients are.
 */
class FactorsTest {
  private static final long[][] SHAPES = {
    {1},
    {300},
    {1, 1},
    {1, 300},
    {300, 1},
    {64, 256},
    {65, 257},
    {130, 520},
    {2, 3, 4},
    {5, 3, 3, 3},
    {3, 1, 70},
    {3, 70, 1}
  };

  private static final double RATE = 0.02;
  private static final Adafactor RULE = Adafactor.adafactor().weightDecay(0.1);

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void everyShapeHasTheBitsOfTheReference(ContractBackend backend) {
    Device device = backend.shared();
    for (ElementType type : backend.types()) {
      SplittableRandom random = new SplittableRandom(31);
      TestModel model = new TestModel(device);
      for (int i = 0; i < SHAPES.length; i++) {
        int length = (int) Arrays.stream(SHAPES[i]).reduce(1, Math::multiplyExact);
        model.add("p" + i, type, backend.guarded(), Numbers.ordinary(random, type, length));
        model.shape("p" + i, SHAPES[i]);
      }
      try (model;
          Optimizer optimizer =
              Optimizer.of(model.parameters()).rule(RULE).learningRate(RATE).build()) {
        model.follow(RULE);
        for (int step = 1; step <= 6; step++) {
          for (int i = 0; i < SHAPES.length; i++) {
            int length = (int) Arrays.stream(SHAPES[i]).reduce(1, Math::multiplyExact);
            double[] gradients = Numbers.ordinary(random, type, length);
            if (step == 1 || step == 4) {
              Arrays.fill(gradients, 0);
            } else if (step == 6) {
              gradients[length / 2] = i % 2 == 0 ? Double.NaN : Double.POSITIVE_INFINITY;
            }
            model.gradients("p" + i, gradients);
            model.reference("p" + i).step(step, RATE, gradients);
          }
          optimizer.step();
          model.check(optimizer, type + ", shapes");
        }
      }
    }
  }

  private static final double[] FLOORS = {0, 1e-30, 1e-40};

  /**
   * Rows and columns of zeros, and rows of which the one is 10^20 times the other: roots below the
   * floor, which is 10^-40 once, whose inverse no float32 is.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void zerosAndHugeRatiosHaveTheBitsOfTheReference(ContractBackend backend) {
    long[][] shapes = {{1, 300}, {300, 1}, {9, 11}, {65, 257}, {3, 6, 10}};
    Device device = backend.shared();
    for (ElementType type : backend.types()) {
      for (double floor : FLOORS) {
        UpdateRule rule = RULE.eps(floor, 1e-3);
        SplittableRandom random = new SplittableRandom(32);
        TestModel model = new TestModel(device);
        for (int i = 0; i < shapes.length; i++) {
          int length = (int) Arrays.stream(shapes[i]).reduce(1, Math::multiplyExact);
          model.add("p" + i, type, backend.guarded(), Numbers.ordinary(random, type, length));
          model.shape("p" + i, shapes[i]);
        }
        try (model;
            Optimizer optimizer =
                Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
          model.follow(rule);
          for (int step = 1; step <= 4; step++) {
            for (int i = 0; i < shapes.length; i++) {
              double[] gradients = uneven(random, type, shapes[i], step);
              if (step == 4) {
                gradients[gradients.length / 2] = Double.NaN;
              }
              model.gradients("p" + i, gradients);
              model.reference("p" + i).step(step, RATE, gradients);
            }
            optimizer.step();
            String what = type + ", eps1 " + floor;
            model.check(optimizer, what);
            boolean isFinite = Arrays.stream(model.values("p2")).allMatch(Double::isFinite);
            assertEquals(step < 4, isFinite, what + ", step " + step);
          }
        }
      }
    }
  }

  /** In turn rows of tiny, huge and ordinary gradients and of zeros, and every fifth column 0. */
  private static double[] uneven(
      SplittableRandom random, ElementType type, long[] shape, int step) {
    boolean isSmall = type == ElementType.FLOAT16;
    double[] scales = {isSmall ? 0x1p-20 : 1e-15, isSmall ? 1e4 : 1e5, 1, 0};
    int length = (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
    int width = (int) shape[shape.length - 1];
    double[] gradients = new double[length];
    for (int i = 0; i < length; i++) {
      double scale = width > 1 && i % width % 5 == 2 ? 0 : scales[(i / width + step) % 4];
      gradients[i] = Numbers.round(type, scale * random.nextDouble(-2, 2));
    }
    return gradients;
  }

  /** Ten million elements, on every backend as on one thread. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#secondWays")
  void aLargeMatrixHasTheBitsOfOneThread(ContractBackend backend) {
    int rows = 4003;
    int columns = 2603;
    SplittableRandom random = new SplittableRandom(33);
    float[] gradients = new float[rows * columns];
    for (int i = 0; i < gradients.length; i++) {
      gradients[i] = Math.scalb(random.nextInt(-1000, 1000), i % 3 == 0 ? 8 : -8);
    }
    List<float[]> found = new ArrayList<>();
    try (Device one = Devices.cpu(1)) {
      for (Device device : List.of(one, backend.shared())) {
        try (Parameters parameters =
                Parameters.on(device)
                    .add("w", ElementType.FLOAT32, (long) rows * columns)
                    .shape("w", rows, columns)
                    .build();
            Optimizer optimizer = Optimizer.of(parameters).rule(RULE).learningRate(RATE).build()) {
          parameters.get("w").values().copyFrom(gradients);
          parameters.get("w").gradients().copyFrom(gradients);
          optimizer.step();
          found.add(parameters.get("w").values().toFloats());
          found.add(optimizer.state("w", "row_var").toFloats());
          found.add(optimizer.state("w", "col_var").toFloats());
        }
      }
    }
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(found.get(i), found.get(i + 3));
    }
    assertTrue(found.get(2)[columns - 1] > 0);
  }

  /** Arrays so long that the first part is updated in place and the rest through copies. */
  @ParameterizedTest(name = "values from {0}, gradients from {1}, clipped at {2}")
  @CsvSource({"0, 0, 0", "5, 5, 0", "5, 3, 0", "5, 5, 0.5"})
  void arraysOfTheCallersHaveTheBitsOfOwnMemory(int valuesAt, int gradientsAt, double bound) {
    int side = 700;
    int length = side * side;
    double[] ordinary = Numbers.ordinary(new SplittableRandom(34), ElementType.FLOAT32, length);
    float[] numbers = Numbers.floats(ordinary);
    float[] values = new float[valuesAt + length + 1];
    float[] gradients = new float[gradientsAt + length + 1];
    System.arraycopy(numbers, 0, values, valuesAt, length);
    System.arraycopy(numbers, 0, gradients, gradientsAt, length);
    try (Device device = Devices.cpu(2);
        Parameters borrowed =
            Parameters.on(device)
                .borrow(
                    "w",
                    device.borrow(values, valuesAt, length),
                    device.borrow(gradients, gradientsAt, length))
                .shape("w", side, side)
                .build();
        Parameters own = Parameters.on(device).add("w", numbers).shape("w", side, side).build()) {
      own.get("w").gradients().copyFrom(numbers);
      for (Parameters parameters : List.of(borrowed, own)) {
        OptimizerBuilder builder = Optimizer.of(parameters).rule(RULE).learningRate(RATE);
        if (bound > 0) {
          builder.clipValue(bound);
        }
        try (Optimizer optimizer = builder.build()) {
          optimizer.step();
          optimizer.step();
        }
      }
      assertArrayEquals(
          own.get("w").values().toFloats(),
          Arrays.copyOfRange(values, valuesAt, valuesAt + length));
      assertNotEquals(numbers[length - 1], values[valuesAt + length - 1]);
      assertEquals(0f, values[valuesAt + length]);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aRestoredRunGoesOnWithTheSameBits(ContractBackend backend, @TempDir Path folder)
      throws Exception {
    Path file = folder.resolve("state.safetensors");
    try (Device device = backend.open();
        Parameters first = parameters(device);
        Optimizer saved = Optimizer.of(first).rule(RULE).learningRate(RATE).build();
        Parameters second = parameters(device);
        Optimizer restored = Optimizer.of(second).rule(RULE).learningRate(RATE).build()) {
      steps(first, saved, 1, 3);
      saved.save(file);
      restored.restore(file);
      second.get("w").values().copyFrom(first.get("w").values().toDoubles());
      second.get("b").values().copyFrom(first.get("b").values().toDoubles());
      steps(first, saved, 4, 6);
      steps(second, restored, 4, 6);
      for (String name : List.of("w", "b")) {
        assertTrue(
            Arrays.equals(
                first.get(name).values().toDoubles(), second.get(name).values().toDoubles()),
            name);
      }
      assertEquals(List.of("row_var", "col_var"), saved.stateNames("w"));
      assertEquals(2 * 5, saved.state("w", "row_var").length());
      assertEquals(2 * 7, saved.state("w", "col_var").length());
      assertEquals(List.of("variance"), saved.stateNames("b"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aSkippedStepLeavesTheFactorsAsTheyAre(ContractBackend backend) {
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer =
            Optimizer.of(parameters).rule(RULE).learningRate(RATE).skipNonFinite(true).build()) {
      steps(parameters, optimizer, 1, 2);
      double[] rows = optimizer.state("w", "row_var").toDoubles();
      double[] columns = optimizer.state("w", "col_var").toDoubles();
      double[] values = parameters.get("w").values().toDoubles();
      parameters.get("b").gradients().copyFrom(new float[] {1, Float.NaN, 2});
      optimizer.step();
      assertTrue(optimizer.isLastStepSkipped());
      Bits.assertSame(rows, optimizer.state("w", "row_var").toDoubles(), () -> "rows");
      Bits.assertSame(columns, optimizer.state("w", "col_var").toDoubles(), () -> "columns");
      Bits.assertSame(values, parameters.get("w").values().toDoubles(), () -> "values");
    }
  }

  @Test
  void lookaheadIsRefused() {
    IllegalArgumentException refusal =
        assertThrows(IllegalArgumentException.class, () -> Lookahead.around(Adafactor.adafactor()));
    assertEquals(
        "lookahead: rule is adafactor, must be one that keeps a value of state for each element,"
            + " since the slow weights have one: adafactor has only numbers of the rows and columns"
            + " of a matrix: use it without Lookahead, or choose a rule such as Adam.adamW()",
        refusal.getMessage());
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device)
        .add(
            "w", Numbers.floats(Numbers.ordinary(new SplittableRandom(3), ElementType.FLOAT32, 70)))
        .add("b", new float[] {1, -2, 3})
        .shape("w", 2, 5, 7)
        .build();
  }

  private static void steps(Parameters parameters, Optimizer optimizer, int from, int to) {
    for (int step = from; step <= to; step++) {
      SplittableRandom random = new SplittableRandom(step);
      parameters.get("w").gradients().copyFrom(Numbers.ordinary(random, ElementType.FLOAT32, 70));
      parameters.get("b").gradients().copyFrom(Numbers.ordinary(random, ElementType.FLOAT32, 3));
      optimizer.step();
    }
  }
}
