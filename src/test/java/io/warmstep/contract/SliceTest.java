package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Parts of tensors, copied from and to parts of arrays and buffers, and nothing beside them. */
class SliceTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  /** Longer than two chunks of a copy. */
  private static final int LENGTH = 40_003;

  static Stream<Arguments> backendsAndTypes() {
    return ContractBackend.all().stream()
        .flatMap(backend -> backend.types().stream().map(type -> Arguments.of(backend, type)));
  }

  private static double[] numbers(ElementType type, int seed, int length) {
    return Numbers.ordinary(new SplittableRandom(seed), type, length);
  }

  private static float[] floats(double[] numbers) {
    float[] floats = new float[numbers.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) numbers[i];
    }
    return floats;
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndTypes")
  void aSliceIsThePartItSays(ContractBackend backend, ElementType type) {
    try (Device device = backend.open();
        Tensor whole = device.allocate(type, LENGTH);
        Tensor other = device.allocate(type, 500)) {
      double[] expected = numbers(type, 1, LENGTH);
      whole.copyFrom(expected);
      Tensor slice = whole.slice(101, 500);
      assertEquals(500, slice.length());
      assertArrayEquals(Arrays.copyOfRange(expected, 101, 601), slice.toDoubles());

      double[] replacement = numbers(type, 2, 500);
      other.copyFrom(replacement);
      slice.copyFrom(other);
      System.arraycopy(replacement, 0, expected, 101, 500);
      assertArrayEquals(expected, whole.toDoubles());

      whole.slice(20_000, 7).zero();
      Arrays.fill(expected, 20_000, 20_007, 0);
      slice.slice(10, 20).copyFrom(whole.slice(19_990, 20));
      System.arraycopy(expected, 19_990, expected, 111, 20);
      slice.close(); // a view: nothing to free
      assertArrayEquals(expected, whole.toDoubles());
      assertEquals(0, whole.slice(LENGTH, 0).length());
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndTypes")
  void buffersOfEveryKindAreCopied(ContractBackend backend, ElementType type) {
    try (Device device = backend.open();
        Tensor tensor = device.allocate(type, LENGTH)) {
      double[] before = numbers(type, 3, LENGTH);
      int from = 57;
      int count = LENGTH - 100;
      for (boolean isDirect : new boolean[] {false, true}) {
        for (boolean isDouble : new boolean[] {false, true}) {
          tensor.copyFrom(before);
          double[] numbers = numbers(type, 4, LENGTH);
          Buffer source = isDouble ? doubles(numbers, isDirect) : floats(numbers, isDirect);
          source.position(5).limit(5 + count);
          tensor.slice(from, count).copyFrom(source);
          assertEquals(0, source.remaining());
          double[] expected = before.clone();
          for (int i = 0; i < count; i++) {
            expected[from + i] = isDouble ? numbers[5 + i] : (float) numbers[5 + i];
          }
          assertArrayEquals(expected, tensor.toDoubles());

          Buffer target = isDouble ? doubles(numbers, isDirect) : floats(numbers, isDirect);
          target.position(9).limit(9 + count);
          tensor.slice(from, count).copyTo(target);
          assertEquals(0, target.remaining());
          target.clear();
          for (int i = 0; i < LENGTH; i++) {
            double actual =
                isDouble ? ((DoubleBuffer) target).get(i) : ((FloatBuffer) target).get(i);
            double stored = i < 9 || i >= 9 + count ? numbers[i] : expected[from + i - 9];
            assertEquals(isDouble ? stored : (float) stored, actual, "element " + i);
          }
        }
      }
    }
  }

  private static FloatBuffer floats(double[] numbers, boolean isDirect) {
    FloatBuffer buffer =
        isDirect
            ? ByteBuffer.allocateDirect(4 * numbers.length)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
            : FloatBuffer.wrap(new float[numbers.length + 3], 3, numbers.length).slice();
    return buffer.put(floats(numbers)).clear();
  }

  private static DoubleBuffer doubles(double[] numbers, boolean isDirect) {
    DoubleBuffer buffer =
        isDirect
            ? ByteBuffer.allocateDirect(8 * numbers.length)
                .order(ByteOrder.nativeOrder())
                .asDoubleBuffer()
            : DoubleBuffer.wrap(new double[numbers.length + 3], 3, numbers.length).slice();
    return buffer.put(numbers).clear();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void bitsOfHalfTypesAreCopied(ContractBackend backend) {
    try (Device device = backend.open()) {
      for (ElementType type : List.of(ElementType.FLOAT16, ElementType.BFLOAT16)) {
        try (Tensor tensor = device.allocate(type, 100)) {
          short[] bits = new short[100];
          for (int i = 0; i < bits.length; i++) {
            bits[i] = (short) (0x3c00 + i);
          }
          tensor.copyFrom(ShortBuffer.wrap(bits));
          ShortBuffer direct =
              ByteBuffer.allocateDirect(80).order(ByteOrder.nativeOrder()).asShortBuffer();
          tensor.slice(30, 40).copyTo(direct);
          for (int i = 0; i < 40; i++) {
            assertEquals(bits[30 + i], direct.get(i));
          }
          tensor.slice(0, 40).copyFrom(direct.clear());
          System.arraycopy(bits, 30, bits, 0, 40);
          short[] all = new short[100];
          tensor.copyTo(ShortBuffer.wrap(all));
          assertArrayEquals(bits, all);
        }
      }
    }
  }

  /** One allocation for the whole model, of which each parameter is a slice. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void slicesAreLentAsParameters(ContractBackend backend) {
    float[] values = floats(numbers(ElementType.FLOAT32, 5, 1_000));
    float[] gradients = floats(numbers(ElementType.FLOAT32, 6, 1_000));
    try (Device device = backend.open();
        Tensor flatValues = device.copyOf(values);
        Tensor flatGradients = device.copyOf(gradients);
        Parameters slices =
            Parameters.on(device)
                .borrow("a", flatValues.slice(0, 301), flatGradients.slice(0, 301))
                .borrow("b", flatValues.slice(301, 699), flatGradients.slice(301, 699))
                .build();
        Parameters owned = Parameters.on(device).add("w", values).build();
        Optimizer ofSlices = Optimizer.of(slices).rule(Adam.adamW()).learningRate(0.1).build();
        Optimizer ofOwned = Optimizer.of(owned).rule(Adam.adamW()).learningRate(0.1).build()) {
      owned.get("w").gradients().copyFrom(gradients);
      for (int i = 0; i < 3; i++) {
        ofSlices.step();
        ofOwned.step();
      }
      assertArrayEquals(owned.get("w").values().toFloats(), flatValues.toFloats());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void whatDoesNotFitIsRefused(ContractBackend backend) {
    try (Device device = backend.open();
        Tensor half = device.allocate(ElementType.FLOAT16, 10);
        Tensor tensor = device.allocate(ElementType.FLOAT32, 10)) {
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(5, 6));
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(-1, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(0, -1));
      assertThrows(IndexOutOfBoundsException.class, () -> tensor.slice(3, Long.MAX_VALUE));
      for (int wrong : new int[] {0, 9, 11}) {
        String message =
            "buffer has "
                + wrong
                + " elements remaining, must have 10 like this tensor: set its limit, or copy a"
                + " slice(from, length)";
        assertEquals(message, refusal(tensor, FloatBuffer.allocate(wrong)));
        assertEquals(
            message,
            assertThrows(
                    IllegalArgumentException.class,
                    () -> tensor.copyTo(FloatBuffer.allocate(wrong)))
                .getMessage());
      }
      assertTrue(
          refusal(tensor, ShortBuffer.allocate(10))
              .endsWith("must be a FloatBuffer or a DoubleBuffer: take such a view of it"));
      assertTrue(
          refusal(half, IntBuffer.allocate(10))
              .endsWith("or a DoubleBuffer, or a ShortBuffer of bits: take such a view of it"));
      FloatBuffer readOnly = FloatBuffer.allocate(10).asReadOnlyBuffer();
      tensor.copyFrom(readOnly);
      assertThrows(IllegalArgumentException.class, () -> tensor.copyTo(readOnly.clear()));
      assertThrows(
          IllegalArgumentException.class, () -> tensor.slice(0, 5).copyFrom(tensor.slice(4, 5)));
      tensor.slice(0, 5).copyFrom(tensor.slice(5, 5));
      Tensor closed = device.copyOf(new float[5]);
      Tensor slice = closed.slice(0, 5);
      closed.close();
      assertThrows(ClosedException.class, slice::toFloats);
      assertThrows(ClosedException.class, () -> closed.slice(0, 1));
    }
  }

  private static String refusal(Tensor tensor, Buffer buffer) {
    return assertThrows(IllegalArgumentException.class, () -> tensor.copyFrom(buffer)).getMessage();
  }
}
