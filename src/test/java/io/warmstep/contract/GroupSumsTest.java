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
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Rules that add something up over all tensors of a group: with the bits of one thread, whatever
 * the backend, and formed as they ought to be over many leaves.
 */
class GroupSumsTest {
  private static final Prodigy PRODIGY = Prodigy.prodigy().d0(1e-3);

  static Stream<Arguments> backendsAndForms() {
    return ContractBackend.inTurn(RuleMatrix.ofGroups());
  }

  private static Map<String, double[]> ordinary(SplittableRandom random, ElementType type) {
    Map<String, double[]> values = new LinkedHashMap<>();
    for (int length : new int[] {0, 1, 33, 4096, 4097, 8193}) {
      values.put("first.of" + length, Numbers.ordinary(random, type, length));
      values.put("second.of" + length, Numbers.ordinary(random, type, length));
    }
    values.put("first.zeros", new double[4097]);
    return values;
  }

  /** What sums of signed terms overflow by, and what they lose. */
  private static Map<String, double[]> extreme(SplittableRandom random, ElementType type) {
    double large = type == ElementType.FLOAT16 ? 6e4 : type == ElementType.FLOAT64 ? 1e300 : 2e38;
    Map<String, double[]> values = new LinkedHashMap<>();
    double[] both = Numbers.ordinary(random, type, 5000);
    for (int i = 0; i < both.length; i += 3) {
      both[i] = Numbers.round(type, i % 2 == 0 ? large : -large);
    }
    values.put("first.large", both);
    values.put("second.some", Numbers.ordinary(random, type, 700));
    values.put("second.tiny", tiny(type));
    double[] holed = Numbers.ordinary(random, type, 4100);
    holed[4099] = Double.NaN;
    values.put("third.nan", holed);
    double[] endless = Numbers.ordinary(random, type, 4100);
    endless[4] = Double.NEGATIVE_INFINITY;
    values.put("fourth.infinite", endless);
    return values;
  }

  /** Each in a group of its own. */
  private static Map<String, double[]> alone(SplittableRandom random, ElementType type) {
    Map<String, double[]> values = new LinkedHashMap<>();
    values.put("alone.none", new double[0]);
    values.put("alone.one", new double[] {1.5});
    values.put("alone.zeros", new double[4097]);
    double[] holed = Numbers.ordinary(random, type, 4097);
    holed[4096] = Double.NaN;
    values.put("alone.nan", holed);
    return values;
  }

  private static double[] tiny(ElementType type) {
    double tiny = type == ElementType.FLOAT16 ? 6e-8 : type == ElementType.FLOAT64 ? 1e-310 : 1e-40;
    double[] values = new double[50];
    Arrays.fill(values, Numbers.round(type, tiny));
    return values;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void hasTheBitsOfOneThread(ContractBackend backend, UpdateRule rule) {
    for (ElementType type : backend.types()) {
      compare(backend, rule, type, ordinary(new SplittableRandom(5), type), 3);
      compare(backend, rule, type, extreme(new SplittableRandom(6), type), 2);
      compare(backend, rule, type, alone(new SplittableRandom(7), type), 3);
    }
  }

  /** Leaves of more tensors than a node takes. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void moreTensorsThanANodeHas(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(7);
    float[][] values = new float[4100][];
    for (int i = 0; i < values.length; i++) {
      values[i] = new float[] {random.nextInt(-99, 99), random.nextInt(9)};
    }
    List<double[]> found = new ArrayList<>();
    try (Device one = Devices.cpu(1)) {
      for (Device device : List.of(one, backend.shared())) {
        ParametersBuilder builder = Parameters.on(device);
        for (int i = 0; i < values.length; i++) {
          builder.add("p" + i, values[i]);
        }
        try (Parameters parameters = builder.build();
            Optimizer optimizer = Optimizer.of(parameters).rule(PRODIGY).learningRate(1).build()) {
          for (int step = 0; step < 2; step++) {
            for (int i = 0; i < values.length; i++) {
              parameters.get("p" + i).gradients().copyFrom(values[i]);
            }
            optimizer.step();
          }
          found.add(parameters.get("p4099").values().toDoubles());
          found.add(optimizer.state("p0", "d_numerator").toDoubles());
        }
      }
    }
    Bits.assertSame(found.get(0), found.get(2), () -> "values");
    Bits.assertSame(found.get(1), found.get(3), () -> "d_numerator");
    assertNotEquals(0, found.get(1)[0]);
  }

  /** One tensor of more leaves than a node has, so that nodes are joined. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#secondWays")
  void moreLeavesThanANodeHas(ContractBackend backend) {
    int length = 4096 * 4096 + 4097;
    SplittableRandom random = new SplittableRandom(8);
    float[] values = new float[length];
    float[] gradients = new float[length];
    for (int i = 0; i < length; i++) {
      // Signed sums that cancel, and with different exponents.
      gradients[i] = Math.scalb(random.nextInt(-1000, 1000), i > length / 2 ? 10 : -5);
      values[i] = gradients[i];
    }
    List<float[]> found = new ArrayList<>();
    List<double[]> numerators = new ArrayList<>();
    try (Device one = Devices.cpu(1)) {
      for (Device device : List.of(one, backend.shared())) {
        try (Parameters parameters =
                Parameters.on(device).add("p", ElementType.FLOAT32, length).build();
            Optimizer optimizer = Optimizer.of(parameters).rule(PRODIGY).learningRate(1).build()) {
          parameters.get("p").values().copyFrom(values);
          for (int step = 0; step < 2; step++) {
            parameters.get("p").gradients().copyFrom(gradients);
            optimizer.step();
          }
          found.add(parameters.get("p").values().toFloats());
          numerators.add(optimizer.state("p", "d_numerator").toDoubles());
        }
      }
    }
    assertArrayEquals(found.get(0), found.get(1));
    Bits.assertSame(numerators.get(0), numerators.get(1), () -> "d_numerator");
    assertNotEquals(0, numerators.get(0)[0]);
  }

  private static void compare(
      ContractBackend backend,
      UpdateRule rule,
      ElementType type,
      Map<String, double[]> values,
      int steps) {
    try (Device one = Devices.cpu(1);
        TestModel theirs = new TestModel(one);
        TestModel ours = new TestModel(backend.shared())) {
      int i = 0;
      for (Map.Entry<String, double[]> each : values.entrySet()) {
        theirs.add(each.getKey(), type, Placement.OWNED, each.getValue());
        Placement placement = i++ % 3 == 1 ? backend.guarded() : Placement.OWNED;
        ours.add(each.getKey(), type, placement, each.getValue());
      }
      try (Optimizer reference = optimizer(theirs.parameters(), rule);
          Optimizer optimizer = optimizer(ours.parameters(), rule)) {
        for (int step = 0; step < steps; step++) {
          for (String name : values.keySet()) {
            double[] gradients = reversed(values.get(name), type, step);
            theirs.gradients(name, gradients);
            ours.gradients(name, gradients);
          }
          reference.step();
          optimizer.step();
          for (String name : values.keySet()) {
            String where = rule + ", " + type + ", " + name + ", step " + step;
            Bits.assertSame(theirs.values(name), ours.values(name), () -> where);
            for (String slot : reference.stateNames(name)) {
              Bits.assertSame(
                  reference.state(name, slot).toDoubles(),
                  optimizer.state(name, slot).toDoubles(),
                  () -> where + ", " + slot);
            }
          }
        }
      }
    }
  }

  private static Optimizer optimizer(Parameters parameters, UpdateRule rule) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(0.5);
    boolean hasSecond = false;
    for (Parameter parameter : parameters) {
      String name = parameter.name();
      if (name.startsWith("alone.")) {
        builder.group(ParameterGroup.matching(name));
      } else if (name.startsWith("second.") && !hasSecond) {
        builder.group(ParameterGroup.matching("second.*").learningRateFactor(0.25));
        hasSecond = true;
      }
    }
    return builder.build();
  }

  private static double[] reversed(double[] values, ElementType type, int step) {
    double[] reversed = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      double value = values[values.length - 1 - i];
      reversed[i] = step == 0 ? value : Numbers.round(type, value * 0.75);
    }
    return reversed;
  }

  /** Of a tensor of several leaves and of one, as plain float64 arithmetic has it. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void theNumeratorIsASumOverTheGroup(ContractBackend backend) {
    if (!backend.hasFloat64()) {
      return;
    }
    SplittableRandom random = new SplittableRandom(11);
    Map<String, double[]> start = new LinkedHashMap<>();
    start.put("a", Numbers.ordinary(random, ElementType.FLOAT64, 9001));
    start.put("b", Numbers.ordinary(random, ElementType.FLOAT64, 5));
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("a", start.get("a"))
                .add("b", start.get("b"))
                .build();
        Optimizer optimizer = Optimizer.of(parameters).rule(PRODIGY).learningRate(0.5).build()) {
      start.forEach((name, values) -> parameters.get(name).gradients().copyFrom(values));
      optimizer.step();
      assertEquals(0, optimizer.state("a", "d_numerator").toDoubles()[0]);
      double d = optimizer.state("b", "d").toDoubles()[0];
      double along = 0;
      double magnitudes = 0;
      for (Map.Entry<String, double[]> each : start.entrySet()) {
        double[] values = parameters.get(each.getKey()).values().toDoubles();
        double[] sums = optimizer.state(each.getKey(), "s").toDoubles();
        for (int i = 0; i < values.length; i++) {
          double g = each.getValue()[i];
          along += g * (each.getValue()[i] - values[i]);
          magnitudes += Math.abs(Math.sqrt(0.999) * sums[i] + d / 1e-3 * d * 0.5 * g);
        }
      }
      optimizer.step();
      double numerator = d / 1e-3 * d * 0.5 * along;
      double found = optimizer.state("a", "d_numerator").toDoubles()[0];
      assertEquals(numerator, found, 1e-9 * numerator);
      double next = optimizer.state("b", "d").toDoubles()[0];
      assertEquals(Math.max(d, numerator / magnitudes), next, 1e-9 * next);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void stepsBeforeTheFirstGradientCountForNothing(ContractBackend backend) {
    Prodigy rule = PRODIGY.useBiasCorrection(true).weightDecay(0.1).eps(0);
    List<double[]> found = new ArrayList<>();
    for (int before : new int[] {0, 2}) {
      try (Parameters parameters =
              Parameters.on(backend.shared()).add("p", new float[] {1, -2, 3}).build();
          Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1).build()) {
        for (int step = 0; step < before; step++) {
          optimizer.step();
          assertEquals(1, parameters.get("p").values().toDoubles()[0]);
          assertEquals((double) 1e-3f, optimizer.state("p", "d").toDoubles()[0]);
          assertEquals(0, optimizer.state("p", "bias_correction1").toDoubles()[0]);
        }
        for (int step = 0; step < 3; step++) {
          parameters.get("p").gradients().copyFrom(new float[] {0.5f, step, -1});
          optimizer.step();
        }
        found.add(parameters.get("p").values().toDoubles());
        found.add(optimizer.state("p", "bias_correction2").toDoubles());
      }
    }
    assertNotEquals(1, found.get(0)[0]);
    Bits.assertSame(found.get(0), found.get(2), () -> "values");
    Bits.assertSame(found.get(1), found.get(3), () -> "bias_correction2");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void groupsAreOnTheirOwnAndSkippedOrFrozenOnesStay(ContractBackend backend) {
    try (Parameters parameters = several(backend.shared());
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(PRODIGY)
                .learningRate(1)
                .group(ParameterGroup.matching("a"))
                .skipNonFinite(true)
                .build()) {
      step(parameters, optimizer, 3);
      double[] ofA = optimizer.state("a", "d").toDoubles();
      Bits.assertSame(
          optimizer.state("b", "d").toDoubles(), optimizer.state("c", "d").toDoubles(), () -> "d");
      assertNotEquals(ofA[0], optimizer.state("b", "d").toDoubles()[0]);
      List<double[]> before = everything(parameters, optimizer);
      parameters.get("c").gradients().copyFrom(new float[] {1, Float.NaN});
      optimizer.step();
      assertTrue(optimizer.isLastStepSkipped());
      assertSame(before, everything(parameters, optimizer));
      optimizer.groups().freeze("a");
      step(parameters, optimizer, 1);
      Bits.assertSame(ofA, optimizer.state("a", "d").toDoubles(), () -> "frozen");
      assertSame(before.subList(0, 8), everything(parameters, optimizer).subList(0, 8));
      assertNotEquals(
          before.get(8)[0], everything(parameters, optimizer).get(8)[0], "what is not frozen");
    }
  }

  private static Parameters several(Device device) {
    return Parameters.on(device)
        .add("a", new float[] {1, 2, 3})
        .add("b", new float[] {-1, 0.5f})
        .add("c", new float[] {4, 5})
        .build();
  }

  private static void step(Parameters parameters, Optimizer optimizer, int steps) {
    for (int step = 0; step < steps; step++) {
      parameters.get("a").gradients().copyFrom(new float[] {1, -1, step});
      parameters.get("b").gradients().copyFrom(new float[] {0.25f, 3});
      parameters.get("c").gradients().copyFrom(new float[] {0, 0.125f});
      optimizer.step();
    }
  }

  private static List<double[]> everything(Parameters parameters, Optimizer optimizer) {
    List<double[]> all = new ArrayList<>();
    parameters.forEach(
        parameter -> {
          all.add(parameter.values().toDoubles());
          for (String slot : optimizer.stateNames(parameter.name())) {
            all.add(optimizer.state(parameter.name(), slot).toDoubles());
          }
        });
    return all;
  }

  private static void assertSame(List<double[]> expected, List<double[]> actual) {
    for (int i = 0; i < expected.size(); i++) {
      int index = i;
      Bits.assertSame(expected.get(i), actual.get(i), () -> "array " + index);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aResumedRunGoesOnWithTheSameBits(ContractBackend backend, @TempDir Path folder)
      throws Exception {
    Path file = folder.resolve("run.safetensors");
    Prodigy rule = PRODIGY.useBiasCorrection(true);
    List<double[]> expected;
    try (Parameters parameters = several(backend.shared());
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1).build()) {
      step(parameters, optimizer, 2);
      optimizer.save(file);
      step(parameters, optimizer, 2);
      expected = everything(parameters, optimizer);
    }
    try (Parameters parameters = several(backend.shared());
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1).build()) {
      optimizer.restore(file);
      step(parameters, optimizer, 2);
      assertSame(expected, everything(parameters, optimizer));
    }
    // Under groups of their own they would go on with different step sizes, in one group not.
    try (Parameters parameters = several(backend.shared())) {
      try (Optimizer optimizer =
          Optimizer.of(parameters)
              .rule(rule)
              .learningRate(1)
              .group(ParameterGroup.matching("a"))
              .build()) {
        step(parameters, optimizer, 3);
        optimizer.save(file);
      }
      try (Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1).build()) {
        CheckpointMismatchException e =
            assertThrows(CheckpointMismatchException.class, () -> optimizer.restore(file));
        assertTrue(
            e.getMessage().contains("parameters of one group have different numbers"),
            e.getMessage());
      }
    }
  }

  @Test
  void refusesWhatIsNotOfOneTypeOrIsShared() {
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .add("p", new float[3])
                .add("q", ElementType.BFLOAT16, 3)
                .build()) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> Optimizer.of(parameters).rule(PRODIGY).learningRate(1).build());
      assertEquals(
          "type of \"q\" is bfloat16, must be float32, as \"p\" is, since prodigy adds up over all"
              + " parameters of a group: put parameters of each type into a group of their own",
          e.getMessage());
      Optimizer.of(parameters)
          .rule(PRODIGY)
          .learningRate(1)
          .group(ParameterGroup.matching("q"))
          .build()
          .close();
    }
  }
}
