package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.StepReport;
import io.warmstep.Tensor;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Reference24;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Updates that are too small for a parameter's type are lost, kept or made up for at random. */
class SmallUpdatesTest {
  private static float[] repeated(float value, int length) {
    float[] values = new float[length];
    Arrays.fill(values, value);
    return values;
  }

  /** Steps of 1e-3 from 1, of which bfloat16 cannot hold one. */
  private static float[] afterThousandSteps(
      Device device, int length, MasterWeights masters, Rounding rounding) {
    try (Parameters parameters =
            Parameters.on(device).add("w", ElementType.BFLOAT16, repeated(1, length)).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1e-3)
                .masterWeights(masters)
                .rounding(rounding)
                .build()) {
      parameters.get("w").gradients().copyFrom(repeated(1, length));
      for (int i = 0; i < 1000; i++) {
        optimizer.step();
      }
      return parameters.get("w").values().toFloats();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void standStillOnlyWhereNothingIsKept(ContractBackend backend) {
    Device device = backend.shared();
    float[] nearest = afterThousandSteps(device, 1, MasterWeights.NONE, Rounding.NEAREST);
    assertEquals(1, nearest[0], "rounded to nearest");
    float[] master = afterThousandSteps(device, 1, MasterWeights.EXACT, Rounding.NEAREST);
    assertEquals(0, master[0], 1e-4, "with a master, whose sum of float32 is not exact");
    float[] short24 = afterThousandSteps(device, 1, MasterWeights.BITS_24, Rounding.NEAREST);
    // A step is rounded by at most half a bit of 24, 2^-17 or less, mostly the same way.
    assertEquals(0, short24[0], 1000 * 0x1p-17, "with a master of 24 bits");
    float[] random24 = afterThousandSteps(device, 1000, MasterWeights.BITS_24, Rounding.STOCHASTIC);
    assertEquals(0, mean(random24), 1e-4, "mean of masters of 24 bits rounded at random");
    float[] random = afterThousandSteps(device, 1000, MasterWeights.NONE, Rounding.STOCHASTIC);
    double mean = mean(random);
    // A step of 2^-8 or less is rounded with a variance of at most 2^-18: 1000 steps of 1000
    // elements have a mean whose standard deviation is at most 0.002.
    assertEquals(0, mean, 0.01, "mean of those rounded at random");
  }

  private static double mean(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value;
    }
    return sum / values.length;
  }

  /**
   * The mean of a million roundings of one number differs from it by at most five standard
   * deviations: 1 in 1.7 million right generators would fail, and a bias of 0.25 % of the distance
   * between neighbours is found in all but 1 of 1.7 million, as it is ten of them.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void randomRoundingIsUnbiased(ContractBackend backend) {
    int length = 1_000_000;
    float distance = 0x1p-7f;
    for (float part : new float[] {0.03f, 0.5f, 0.81f}) {
      try (Parameters parameters =
              Parameters.on(backend.shared())
                  .add("w", ElementType.BFLOAT16, repeated(1, length))
                  .build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd().maximize(true))
                  .learningRate(1)
                  .gradientScale(part * distance)
                  .rounding(Rounding.STOCHASTIC, 5)
                  .build()) {
        parameters.get("w").gradients().copyFrom(repeated(1, length));
        optimizer.step();
        double mean = (mean(parameters.get("w").values().toFloats()) - 1) / distance;
        double deviation = Math.sqrt(part * (1 - part) / length);
        assertEquals(part, mean, 5 * deviation, "part of the distance between neighbours");
      }
    }
  }

  /** The same of masters of 24 bits, whose neighbours are 2^-15 apart. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void randomRoundingOfMastersIsUnbiased(ContractBackend backend) {
    int length = 1_000_000;
    float distance = 0x1p-15f;
    for (float part : new float[] {0.03125f, 0.5f, 0.8125f}) { // of 8 random bits
      try (Parameters parameters =
              Parameters.on(backend.shared())
                  .add("w", ElementType.BFLOAT16, repeated(1, length))
                  .build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd().maximize(true))
                  .learningRate(1)
                  .gradientScale(part * distance)
                  .masterWeights(MasterWeights.BITS_24)
                  .rounding(Rounding.STOCHASTIC, 5)
                  .build()) {
        parameters.get("w").gradients().copyFrom(repeated(1, length));
        optimizer.step();
        double mean = (mean(optimizer.state("w", "master").toFloats()) - 1) / distance;
        double deviation = Math.sqrt(part * (1 - part) / length);
        assertEquals(part, mean, 5 * deviation, "part of the distance between neighbours");
        assertArrayEquals(repeated(1, length), parameters.get("w").values().toFloats());
      }
    }
  }

  /** What is written of masters of 24 bits is rounded, and what lies beside it stays. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void mastersOf24BitsCanBeWritten(ContractBackend backend) {
    for (int length : new int[] {1, 2, 7, 8}) {
      try (Parameters parameters =
              Parameters.on(backend.shared())
                  .add("before", ElementType.BFLOAT16, repeated(3, 5))
                  .add("w", ElementType.BFLOAT16, repeated(1, length))
                  .build();
          Optimizer optimizer =
              adam(parameters).masterWeights(MasterWeights.BITS_24).average(0.5).build()) {
        float[] expected = new float[length];
        for (int i = 0; i < length; i++) {
          expected[i] = 1 + i * 0x1p-15f;
        }
        optimizer.state("w", "master").copyFrom(expected);
        assertArrayEquals(expected, optimizer.state("w", "master").toFloats());
        for (int from = 0; from < length; from++) {
          for (int to = from; to <= length; to++) {
            float[] part = repeated(1.2f + from, to - from);
            optimizer.state("w", "master").slice(from, to - from).copyFrom(part);
            Arrays.fill(expected, from, to, Reference24.nearest(1.2f + from));
            assertArrayEquals(expected, optimizer.state("w", "master").toFloats());
            if (to > from) {
              assertArrayEquals(
                  Arrays.copyOfRange(expected, from, to),
                  optimizer.state("w", "master").slice(from, to - from).toFloats());
            }
          }
        }
        assertArrayEquals(repeated(3, 5), optimizer.state("before", "master").toFloats());
        // Who writes the parameter alone moves the master, but not to what is no number.
        optimizer.state("w", "master").copyFrom(repeated(1 - 0x1p-12f, length));
        parameters.get("w").values().copyFrom(repeated(2, length));
        assertArrayEquals(
            repeated(2 - 0x1p-11f, length), optimizer.state("w", "master").toFloats());
        parameters.get("w").values().copyFrom(new float[length]);
        assertArrayEquals(new float[length], optimizer.state("w", "master").toFloats());
        parameters.get("w").gradients().copyFrom(new float[length]);
        optimizer.step();
        assertArrayEquals(new float[length], optimizer.state("w", "master").toFloats());
      }
    }
  }

  /** A file of exact masters is read as masters of 24 bits, rounded, and the reverse. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void goOnWithMastersOfOtherBits(ContractBackend backend, @TempDir Path folder)
      throws IOException {
    Path file = folder.resolve("masters");
    // The last lies below the middle between two bfloat16, but not in 24 bits.
    float[] exact = {1.1f, -3e-39f, 0x1.00fffep0f};
    float[] rounded = new float[exact.length];
    for (int i = 0; i < exact.length; i++) {
      rounded[i] = Reference24.nearest(exact[i]);
    }
    try (Parameters parameters =
            Parameters.on(backend.shared()).add("w", ElementType.BFLOAT16, exact.length).build();
        Optimizer whole = adam(parameters).masterWeights(MasterWeights.EXACT).build();
        Optimizer fewer = adam(parameters).masterWeights(MasterWeights.BITS_24).build()) {
      whole.state("w", "master").copyFrom(exact);
      assertArrayEquals(new float[] {1.1015625f, -3e-39f, 1}, values(parameters), 0x1p-134f);
      whole.save(file);
      fewer.restore(file);
      assertArrayEquals(rounded, fewer.state("w", "master").toFloats());
      assertEquals(1.0078125f, values(parameters)[2], "the parameter goes with its master");
      fewer.save(file);
      whole.restore(file);
      assertArrayEquals(rounded, whole.state("w", "master").toFloats());
    }
  }

  private static float[] values(Parameters parameters) {
    return parameters.get("w").values().toFloats();
  }

  /**
   * In evaluation mode parameters are their average, rounded; afterwards they are what they were.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void averagesAreEvaluatedWith(ContractBackend backend) {
    for (MasterWeights masters : MasterWeights.values()) {
      ElementType type = masters == MasterWeights.NONE ? ElementType.FLOAT32 : ElementType.BFLOAT16;
      try (Parameters parameters =
              Parameters.on(backend.shared())
                  .gradientType(ElementType.FLOAT32)
                  .add("w", type, repeated(1, 1000))
                  .build();
          Optimizer optimizer = adam(parameters).masterWeights(masters).average(0.9).build()) {
        parameters.get("w").gradients().copyFrom(repeated(1, 1000));
        for (int step = 0; step < 200; step++) {
          optimizer.step();
        }
        float[] trained = parameters.get("w").values().toFloats();
        float average = optimizer.state("w", "average").toFloats()[0];
        float last = type.isHalf() ? optimizer.state("w", "master").toFloats()[0] : trained[0];
        assertTrue(last < 1 && average > last && average < 1, average + ", " + masters);
        optimizer.eval();
        float expected = (float) Numbers.round(type, average);
        assertArrayEquals(repeated(expected, 1000), parameters.get("w").values().toFloats());
        optimizer.train();
        assertArrayEquals(trained, parameters.get("w").values().toFloats());
      }
    }
  }

  /** Reports say how much is lost, which of steps that masters hold is nothing. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void lostUpdatesAreReported(ContractBackend backend) {
    for (MasterWeights masters : MasterWeights.values()) {
      List<StepReport> reports = new ArrayList<>();
      try (Parameters parameters =
              Parameters.on(backend.shared())
                  .gradientType(ElementType.FLOAT32)
                  .add("w", ElementType.BFLOAT16, repeated(1, 100))
                  .build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(1e-3)
                  .masterWeights(masters)
                  .listener(reports::add, 1)
                  .build()) {
        parameters.get("w").gradients().copyFrom(repeated(1, 100));
        optimizer.step();
      }
      double lost = reports.get(0).updates().get(0).lost();
      assertEquals(masters == MasterWeights.NONE ? 1 : 0, lost, masters.toString());
    }
  }

  /** A bfloat16 parameter with remainders is the float32 one, rounded. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void mastersAreFloat32ToTheBit(ContractBackend backend) {
    int length = 257;
    SplittableRandom random = new SplittableRandom(3);
    float[] start = new float[length];
    for (int i = 0; i < length; i++) {
      start[i] =
          Float.intBitsToFloat(Float.floatToIntBits((float) random.nextGaussian()) & ~0xffff);
    }
    try (Parameters half =
            Parameters.on(backend.shared())
                .gradientType(ElementType.FLOAT32)
                .add("w", ElementType.BFLOAT16, start)
                .build();
        Parameters full = Parameters.on(backend.shared()).add("w", start).build();
        Optimizer halves = adam(half).masterWeights(MasterWeights.EXACT).build();
        Optimizer floats = adam(full).build()) {
      float[] gradients = new float[length];
      for (int step = 1; step <= 10_000; step++) {
        if (step % 10 == 1) {
          for (int i = 0; i < length; i++) {
            gradients[i] = (float) random.nextGaussian();
          }
          half.get("w").gradients().copyFrom(gradients);
          full.get("w").gradients().copyFrom(gradients);
        }
        halves.step();
        floats.step();
      }
      float[] expected = full.get("w").values().toFloats();
      assertArrayEquals(expected, halves.state("w", "master").toFloats());
      float[] rounded = new float[length];
      for (int i = 0; i < length; i++) {
        int bits = Float.floatToIntBits(expected[i]) + 0x8000 & ~0xffff;
        rounded[i] = Float.intBitsToFloat(bits);
      }
      assertArrayEquals(rounded, half.get("w").values().toFloats());
    }
  }

  private static OptimizerBuilder adam(Parameters parameters) {
    return Optimizer.of(parameters).rule(Adam.adamW()).learningRate(1e-4);
  }

  /**
   * Saved in between and restored, there and on the CPU, a run goes on to the bit, with the same
   * random numbers.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void goOnFromACheckpoint(ContractBackend backend, @TempDir Path folder) throws IOException {
    try (Device cpu = Devices.cpu()) {
      for (ElementType type : List.of(ElementType.BFLOAT16, ElementType.FLOAT16)) {
        for (MasterWeights masters : MasterWeights.values()) {
          if (type == ElementType.FLOAT16 && masters != MasterWeights.EXACT) {
            continue;
          }
          Path file = folder.resolve(type + "-" + masters);
          float[][] expected = run(backend.shared(), type, masters, 6, file, false);
          for (Device device : List.of(backend.shared(), cpu)) {
            float[][] actual = run(device, type, masters, 6, file, true);
            for (int i = 0; i < expected.length; i++) {
              assertArrayEquals(expected[i], actual[i], type + ", " + masters + ", " + i);
            }
          }
        }
      }
    }
  }

  private static float[][] run(
      Device device, ElementType type, MasterWeights masters, int steps, Path file, boolean resumes)
      throws IOException {
    int length = 5000;
    try (Parameters parameters =
            Parameters.on(device)
                .add("small", type, repeated(0.5f, 7))
                .add("w", type, repeated(resumes ? 3 : 1, length))
                .build();
        Optimizer optimizer =
            adam(parameters)
                .masterWeights(masters)
                .stateType(StateType.BFLOAT16)
                .rounding(Rounding.STOCHASTIC, 17)
                .average(0.75)
                .build()) {
      int first = 1;
      if (resumes) {
        optimizer.restore(file);
        first = 4;
      }
      for (int step = first; step <= steps; step++) {
        parameters.get("w").gradients().copyFrom(repeated(0.1f * step, length));
        parameters.get("small").gradients().copyFrom(repeated(0.1f * step, 7));
        optimizer.step();
        if (step == 3 && !resumes) {
          optimizer.save(file);
        }
      }
      assertEquals(ElementType.BFLOAT16, optimizer.state("w", "exp_avg").type());
      assertEquals(ElementType.FLOAT32, optimizer.state("small", "exp_avg").type());
      return new float[][] {
        parameters.get("w").values().toFloats(),
        optimizer.state("w", "exp_avg").toFloats(),
        optimizer.state("w", "exp_avg_sq").toFloats(),
        optimizer.state("small", "exp_avg").toFloats(),
        optimizer.state("w", "average").toFloats(),
        optimizer.state("small", "average").toFloats(),
        masters == MasterWeights.NONE ? new float[0] : optimizer.state("w", "master").toFloats()
      };
    }
  }

  static Stream<Arguments> backendsAndHalves() {
    return ContractBackend.representatives().stream()
        .flatMap(
            backend ->
                Stream.of(ElementType.BFLOAT16, ElementType.FLOAT16)
                    .map(type -> Arguments.of(backend, type)));
  }

  /** Before a step as after it; who writes the master writes the parameter, and vice versa. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndHalves")
  void mastersAndParametersFollowEachOther(ContractBackend backend, ElementType type) {
    float near = 1 + 0x1p-13f;
    try (Parameters parameters =
            Parameters.on(backend.shared()).add("w", type, repeated(2, 9)).build();
        Optimizer optimizer = adam(parameters).masterWeights(MasterWeights.EXACT).build()) {
      Tensor values = parameters.get("w").values();
      Tensor masters = optimizer.state("w", "master");
      for (int step = 0; step < 2; step++) {
        assertArrayEquals(repeated(2, 9), masters.toFloats());
        masters.copyFrom(repeated(near, 9));
        assertArrayEquals(repeated(1, 9), values.toFloats());
        assertArrayEquals(repeated(near, 9), masters.toFloats());
        parameters.get("w").gradients().copyFrom(repeated(1, 9));
        optimizer.step();
        float stepped = masters.toFloats()[0];
        assertTrue(stepped < near && stepped > 0.9f, "from the master: " + stepped);
        masters.slice(2, 3).copyFrom(repeated(near, 3));
        assertArrayEquals(repeated(1, 3), values.slice(2, 3).toFloats());
        masters.zero();
        assertArrayEquals(repeated(0, 9), values.toFloats());
        values.copyFrom(repeated(2, 9));
      }
    }
  }

  /** A checkpoint without masters starts them at the values, and one with them says so. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void mastersStartAtTheValues(ContractBackend backend, @TempDir Path folder) throws IOException {
    Path file = folder.resolve("without");
    try (Parameters parameters =
            Parameters.on(backend.shared()).add("w", ElementType.BFLOAT16, repeated(2, 9)).build();
        Optimizer without = adam(parameters).build();
        Optimizer with = adam(parameters).masterWeights(MasterWeights.EXACT).build()) {
      without.save(file);
      parameters.get("w").gradients().copyFrom(repeated(1, 9));
      with.step();
      RestoreReport report = with.restore(file);
      assertTrue(report.toString().contains("has no master in the file"), report.toString());
      assertArrayEquals(repeated(2, 9), with.state("w", "master").toFloats());
      with.state("w", "master").copyFrom(repeated(1.0009766f, 9));
      assertArrayEquals(repeated(1, 9), parameters.get("w").values().toFloats());
      assertArrayEquals(repeated(1.0009766f, 9), with.state("w", "master").toFloats());
    }
  }
}
