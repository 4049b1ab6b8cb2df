package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** State as codes of 8 bits through an optimizer's life, besides the bits of single steps. */
class EightBitStateTest {
  private static final int[] SIZES = {4097, 31, 4096, 4095, 0, 33};

  @TempDir Path folder;

  private static Parameters parameters(Device device) {
    SplittableRandom random = new SplittableRandom(1);
    var builder = Parameters.on(device);
    for (int i = 0; i < SIZES.length; i++) {
      double[] initial = Numbers.ordinary(random, ElementType.FLOAT32, SIZES[i]);
      builder.add("p" + i, Numbers.floats(initial));
    }
    return builder.build();
  }

  private static OptimizerBuilder optimizer(Parameters parameters, long smallTensor) {
    return Optimizer.of(parameters)
        .rule(Adam.adamW())
        .learningRate(0.01)
        .stateType(StateType.INT8, smallTensor)
        .rounding(Rounding.STOCHASTIC, 77);
  }

  private static void step(Parameters parameters, Optimizer optimizer, int count) {
    for (int i = 0; i < count; i++) {
      SplittableRandom random = new SplittableRandom(optimizer.stepCount());
      for (int j = 0; j < SIZES.length; j++) {
        double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, SIZES[j]);
        parameters.get("p" + j).gradients().copyFrom(gradients);
      }
      optimizer.step();
    }
  }

  /** All there is, so that runs can be compared to the bit. */
  private static int[] bits(Parameters parameters, Optimizer optimizer) {
    return Arrays.stream(new int[] {0, 1, 2, 3, 5})
        .mapToObj(i -> "p" + i)
        .flatMap(
            name ->
                Arrays.stream(
                    new Tensor[] {
                      parameters.get(name).values(),
                      optimizer.state(name, "exp_avg"),
                      optimizer.state(name, "exp_avg_sq")
                    }))
        .flatMapToInt(EightBitStateTest::bits)
        .toArray();
  }

  private static IntStream bits(Tensor tensor) {
    float[] values = tensor.toFloats();
    return IntStream.range(0, values.length).map(i -> Float.floatToRawIntBits(values[i]));
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void goesOnFromACheckpointWithTheSameBits(ContractBackend backend) throws IOException {
    Path file = folder.resolve("a.safetensors");
    int[] expected;
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 0).build()) {
      step(parameters, optimizer, 3);
      optimizer.save(file);
      step(parameters, optimizer, 2);
      expected = bits(parameters, optimizer);
    }
    try (CheckpointReader reader = CheckpointReader.open(file)) {
      assertEquals(ElementFormat.I8, reader.tensor("state.p0.exp_avg").orElseThrow().format());
      assertEquals(ElementFormat.U8, reader.tensor("state.p0.exp_avg_sq").orElseThrow().format());
      assertEquals(129, reader.tensor("state.p0.exp_avg.scale").orElseThrow().count());
    }
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 0).build()) {
      optimizer.restore(file);
      step(parameters, optimizer, 2);
      assertArrayEquals(expected, bits(parameters, optimizer));
    }
    try (Device cpu = Devices.cpu(); // whatever wrote it
        Parameters parameters = parameters(cpu);
        Optimizer optimizer = optimizer(parameters, 0).build()) {
      optimizer.restore(file);
      step(parameters, optimizer, 2);
      assertArrayEquals(expected, bits(parameters, optimizer));
    }
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01).build()) {
      optimizer.restore(file); // decoded, which loses nothing
      assertTrue(optimizer.state("p0", "exp_avg").toFloats()[5] != 0);
      optimizer.save(file);
    }
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 0).build()) {
      assertTrue(
          assertThrows(CheckpointMismatchException.class, () -> optimizer.restore(file))
              .getMessage()
              .contains("state.p0.exp_avg is F32 in the file, here int8"));
    }
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void readsAndWritesNumbers(ContractBackend backend) {
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 0).rounding(Rounding.NEAREST).build()) {
      step(parameters, optimizer, 2);
      for (String slot : new String[] {"exp_avg", "exp_avg_sq"}) {
        Tensor state = optimizer.state("p0", slot);
        float[] before = state.toFloats();
        state.copyFrom(before);
        assertArrayEquals(before, state.toFloats());
        Tensor part = state.slice(40, 10);
        float[] ten = new float[10];
        Arrays.fill(ten, before[41]);
        part.copyFrom(ten);
        float[] after = state.toFloats();
        for (int i = 0; i < after.length; i++) {
          if (i < 32 || i >= 64) {
            assertEquals(before[i], after[i]);
          }
        }
        assertEquals(before[41], after[45], Math.abs(before[41]) * 0.1f);
        state.zero();
        assertArrayEquals(new float[before.length], state.toFloats());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void smallTensorsKeepFloat32(ContractBackend backend) {
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 4096).build()) {
      step(parameters, optimizer, 1);
      assertTrue(isCoded(optimizer, "p0"));
      assertTrue(isCoded(optimizer, "p2"));
      assertFalse(isCoded(optimizer, "p1"));
      assertFalse(isCoded(optimizer, "p3"));
    }
  }

  /** Whether the magnitudes of a group are among the few that codes have. */
  private static boolean isCoded(Optimizer optimizer, String name) {
    float[] moments = optimizer.state(name, "exp_avg").toFloats();
    float largest = 0;
    for (int i = 0; i < 31; i++) {
      largest = Math.max(largest, Math.abs(moments[i]));
    }
    for (int i = 0; i < 31; i++) {
      double share = Math.abs(moments[i]) / largest;
      double code = 127 * 2 * share / (1 + share);
      if (Math.abs(code - Math.rint(code)) > 1e-3) {
        return false;
      }
    }
    return true;
  }

  @ParameterizedTest
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void skippedStepsChangeNothing(ContractBackend backend) {
    try (Parameters parameters = parameters(backend.shared());
        Optimizer optimizer = optimizer(parameters, 0).skipNonFinite(true).build()) {
      step(parameters, optimizer, 2);
      int[] before = bits(parameters, optimizer);
      float[] gradients = new float[SIZES[0]];
      gradients[7] = Float.NaN;
      parameters.get("p0").gradients().copyFrom(gradients);
      optimizer.step();
      assertEquals(1, optimizer.skippedSteps());
      assertArrayEquals(before, bits(parameters, optimizer));
    }
  }
}
