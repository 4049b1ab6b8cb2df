package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.TestModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Micro-batches of one optimizer, against sums by plain loops. */
class AccumulationTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final int LENGTH = 4099;

  /** Adds up by lanes from 0 on, in float32 or float64, and rounds once. */
  private static double[] sum(ElementType type, List<double[]> terms, int lanes) {
    boolean isDouble = type == ElementType.FLOAT64;
    double[] sum = new double[terms.get(0).length];
    for (int i = 0; i < sum.length; i++) {
      double[] level = new double[lanes];
      for (int j = 0; j < terms.size(); j++) {
        level[j % lanes] = add(level[j % lanes], terms.get(j)[i], isDouble);
      }
      while (level.length > 1) {
        double[] next = new double[(level.length + 1) / 2];
        for (int k = 0; k < next.length; k++) {
          next[k] =
              2 * k + 1 < level.length
                  ? add(level[2 * k], level[2 * k + 1], isDouble)
                  : level[2 * k];
        }
        level = next;
      }
      sum[i] = Numbers.round(type, level[0]);
    }
    return sum;
  }

  private static double add(double a, double b, boolean isDouble) {
    return isDouble ? a + b : (float) a + (float) b;
  }

  private static TestModel model(ContractBackend backend, Device device) {
    TestModel model = new TestModel(device);
    SplittableRandom random = new SplittableRandom(1);
    for (ElementType type : backend.types()) {
      for (Placement placement : backend.placements()) {
        String name = type + " " + placement;
        model.add(name, type, placement, Numbers.ordinary(random, type, LENGTH));
      }
    }
    return model;
  }

  private static OptimizerBuilder of(Parameters parameters) {
    return Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01);
  }

  /** As many in each window as lanes, fewer, and more. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void theMeanIsThatOfTheSumByLanes(ContractBackend backend) {
    for (int lanes : new int[] {1, 3, 8}) {
      for (boolean zeroes : new boolean[] {false, true}) {
        try (Device device = backend.open();
            TestModel ours = model(backend, device);
            TestModel theirs = model(backend, device);
            Optimizer accumulating =
                of(ours.parameters()).lanes(lanes).zeroGradients(zeroes).clipNorm(0.5).build();
            Optimizer plain = of(theirs.parameters()).clipNorm(0.5).build()) {
          SplittableRandom random = new SplittableRandom(lanes);
          for (int window : new int[] {3, 1, 10, 2}) {
            List<List<double[]>> terms = new ArrayList<>();
            ours.parameters().forEach(parameter -> terms.add(new ArrayList<>()));
            for (int j = 0; j < window; j++) {
              int index = 0;
              for (Parameter parameter : ours.parameters()) {
                ElementType type = parameter.gradients().type();
                double[] term = Numbers.ordinary(random, type, LENGTH);
                term[j] = -0.0;
                term[LENGTH - 1] = -0.0;
                ours.gradients(parameter.name(), term);
                terms.get(index++).add(term);
              }
              accumulating.accumulate();
              assertEquals(j + 1, accumulating.accumulated());
              if (zeroes) {
                assertZero(ours);
              }
            }
            accumulating.step();
            int index = 0;
            for (Parameter parameter : theirs.parameters()) {
              double[] sum = sum(parameter.gradients().type(), terms.get(index++), lanes);
              theirs.gradients(parameter.name(), sum);
              if (!zeroes) {
                Bits.assertSame(
                    sum, ours.gradients(parameter.name()), () -> "sum of " + parameter.name());
              }
            }
            plain.step(1.0 / window);
            assertEquals(0, accumulating.accumulated());
            assertEquals(plain.gradientNorm(), accumulating.gradientNorm());
            for (Parameter parameter : theirs.parameters()) {
              Bits.assertSame(
                  theirs.values(parameter.name()),
                  ours.values(parameter.name()),
                  () -> parameter.name() + ", " + lanes + " lanes, " + window + " micro-batches");
            }
            if (zeroes) {
              assertZero(ours);
            }
          }
        }
      }
    }
  }

  private static void assertZero(TestModel model) {
    for (Parameter parameter : model.parameters()) {
      assertArrayEquals(new double[LENGTH], model.gradients(parameter.name()), parameter.name());
    }
  }

  /** Numbers of all kinds: infinities, NaN, subnormals, those that overflow. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void anyBitsAreAddedUp(ContractBackend backend) {
    try (Device device = backend.open();
        TestModel model = model(backend, device);
        Optimizer optimizer = of(model.parameters()).lanes(2).build()) {
      SplittableRandom random = new SplittableRandom(7);
      List<List<double[]>> terms = new ArrayList<>();
      model.parameters().forEach(parameter -> terms.add(new ArrayList<>()));
      for (int j = 0; j < 3; j++) {
        int index = 0;
        for (Parameter parameter : model.parameters()) {
          double[] term = Numbers.adversarial(random, parameter.gradients().type(), LENGTH);
          model.gradients(parameter.name(), term);
          terms.get(index++).add(term);
        }
        optimizer.accumulate();
      }
      optimizer.step();
      int index = 0;
      for (Parameter parameter : model.parameters()) {
        double[] sum = sum(parameter.gradients().type(), terms.get(index++), 2);
        Bits.assertSame(sum, model.gradients(parameter.name()), () -> parameter.name());
      }
    }
  }

  /** A sum of 16-bit gradients keeps what bfloat16 would lose, if only until it is rounded. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void gradientsOf16BitsAreAddedInFloat32(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device)
                .add("bfloat16", ElementType.BFLOAT16, 300)
                .add("float16", ElementType.FLOAT16, 300)
                .gradientType(ElementType.FLOAT32)
                .add("float32 of bfloat16", ElementType.BFLOAT16, 300)
                .gradientType(ElementType.BFLOAT16)
                .add("bfloat16 of float32", ElementType.FLOAT32, 300)
                .gradientType(ElementType.FLOAT16)
                .add("float16 of float32", ElementType.FLOAT32, 300)
                .build();
        Optimizer optimizer = of(parameters).masterWeights(MasterWeights.EXACT).build()) {
      double small = 0x1p-13;
      for (int j = 0; j < 4097; j++) {
        double term = j == 0 ? 1 : small;
        if (j < 2) { // the rest are as they were
          parameters.forEach(parameter -> fill(parameter, term));
        }
        optimizer.accumulate();
      }
      optimizer.step();
      for (Parameter parameter : parameters) {
        assertEquals(1.5, parameter.gradients().toDoubles()[299], parameter.name());
      }
    }
  }

  private static void fill(Parameter parameter, double value) {
    double[] values = new double[(int) parameter.length()];
    java.util.Arrays.fill(values, value);
    parameter.gradients().copyFrom(values);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void aMicroBatchThatIsNotFiniteSkipsTheStep(ContractBackend backend) {
    LossScaler scaler = LossScaler.dynamic(8, 2, 0.5, 100);
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("a", new float[] {1, 2}).add("b", new float[] {3}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Momentum.heavyBall(0.9))
                .learningRate(1)
                .lossScaler(scaler)
                .build()) {
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
        double scale = scaler.scale();
        for (int j = 0; j < 3; j++) {
          parameters.get("a").gradients().copyFrom(new float[] {1, j == 1 ? bad : 1});
          optimizer.accumulate();
        }
        optimizer.step();
        assertTrue(optimizer.isLastStepSkipped());
        assertEquals(scale / 2, scaler.scale());
        assertArrayEquals(new double[] {1, 2}, parameters.get("a").values().toDoubles());
        assertEquals(0, optimizer.accumulated());
      }
      for (int j = 0; j < 4; j++) { // the next batch knows nothing of it
        parameters.get("a").gradients().copyFrom(new float[] {j, 2 * j});
        parameters.get("b").gradients().copyFrom(new float[] {1});
        optimizer.accumulate();
      }
      optimizer.step();
      assertFalse(optimizer.isLastStepSkipped());
      assertArrayEquals(
          new double[] {1 - 1.5 / 2, 2 - 3.0 / 2}, parameters.get("a").values().toDoubles());
      assertArrayEquals(new double[] {3 - 1.0 / 2}, parameters.get("b").values().toDoubles());
    }
  }

  /** Its gradients stay as they are, and others take part when they are trained again. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void frozenGroupsAreLeftOut(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters =
            Parameters.on(device).add("a", new float[] {1}).add("b", new float[] {2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Momentum.heavyBall(0))
                .learningRate(1)
                .zeroGradients(true)
                .group(ParameterGroup.matching("b"))
                .build()) {
      optimizer.groups().freeze("b");
      for (boolean isFrozen : new boolean[] {true, false}) {
        if (!isFrozen) {
          optimizer.groups().unfreeze("b");
        }
        for (int j = 0; j < 2; j++) {
          parameters.get("a").gradients().copyFrom(new float[] {0.25f});
          parameters.get("b").gradients().copyFrom(new float[] {0.5f});
          optimizer.accumulate();
          assertEquals(isFrozen ? 0.5 : 0, parameters.get("b").gradients().toDoubles()[0]);
        }
        optimizer.step();
      }
      assertEquals(0.5, parameters.get("a").values().toDoubles()[0]);
      assertEquals(1.5, parameters.get("b").values().toDoubles()[0]);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void whatWouldLoseMicroBatchesIsRefused(ContractBackend backend, @TempDir Path folder)
      throws Exception {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("a", new float[] {1}).build();
        Parameters more = Parameters.on(device).add("b", new float[] {1}).build();
        Optimizer optimizer = of(parameters).group(ParameterGroup.matching("a")).build()) {
      optimizer.step(); // nothing was ever accumulated: gradients as they are
      optimizer.save(folder.resolve("before"));
      optimizer.accumulate();
      optimizer.accumulate();
      String message =
          assertThrows(IllegalStateException.class, () -> optimizer.save(folder.resolve("x")))
              .getMessage();
      assertEquals(
          "2 micro-batches were accumulated since the last step, and no checkpoint has them: save"
              + " right after a step",
          message);
      assertThrows(IllegalStateException.class, () -> optimizer.groups().freeze("a"));
      assertThrows(IllegalStateException.class, () -> optimizer.groups().add(more));
      assertFalse(optimizer.groups().isFrozen("a"));
      assertEquals(2, optimizer.accumulated());
      optimizer.zeroGradients();
      assertEquals(0, optimizer.accumulated());
      assertTrue(
          assertThrows(IllegalStateException.class, optimizer::step)
              .getMessage()
              .startsWith("no micro-batch was accumulated since the last step"));
      assertEquals(1, optimizer.stepCount());
      optimizer.accumulate();
      optimizer.restore(folder.resolve("before"));
      assertEquals(0, optimizer.accumulated());
      optimizer.groups().add(more);
      optimizer.accumulate();
      optimizer.step();
      assertEquals(2, optimizer.stepCount());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void severalLanesNeedMicroBatches(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("a", new float[] {1}).build()) {
      for (int lanes : new int[] {0, -1, 1025}) {
        assertThrows(IllegalArgumentException.class, () -> of(parameters).lanes(lanes));
      }
      ParametersBuilder none = Parameters.on(device);
      try (Optimizer optimizer = of(parameters).lanes(2).build();
          Parameters empty = none.build();
          Optimizer ofNothing = of(empty).build()) {
        assertThrows(IllegalStateException.class, optimizer::step);
        assertThrows(IllegalArgumentException.class, () -> optimizer.step(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> optimizer.step(0));
        optimizer.accumulate();
        optimizer.step();
        ofNothing.accumulate();
        ofNothing.step();
        assertEquals(1, ofNothing.stepCount());
      }
    }
  }
}
