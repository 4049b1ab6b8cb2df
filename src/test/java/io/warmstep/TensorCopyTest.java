package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.storage.Storage;
import io.warmstep.testkit.BytesChannel;
import io.warmstep.testkit.Numbers;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole tensors, copied and filled in several chunks, and nothing beside them. */
class TensorCopyTest {
  /** More than two chunks. */
  private static final int LENGTH = 150_001;

  /** Elements of others, before and after. */
  private static final int OTHERS = 3;

  private final Device device = Devices.cpu(1);

  @AfterEach
  void close() {
    device.close();
  }

  private Tensor whole(ElementType type) {
    Tensor whole = device.allocate(type, OTHERS + LENGTH + OTHERS);
    double[] ones = new double[(int) whole.length()];
    Arrays.fill(ones, 1);
    whole.copyFrom(ones);
    return whole;
  }

  private static Tensor part(Tensor whole) {
    return whole.slice(OTHERS, LENGTH);
  }

  private static void check(double[] expected, Tensor whole) {
    double[] all = whole.toDoubles();
    assertArrayEquals(expected, Arrays.copyOfRange(all, OTHERS, OTHERS + LENGTH));
    for (int i = 0; i < OTHERS; i++) {
      assertEquals(1, all[i]);
      assertEquals(1, all[OTHERS + LENGTH + i]);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "FLOAT32, FLOAT32",
    "FLOAT16, FLOAT32",
    "BFLOAT16, FLOAT32",
    "FLOAT64, FLOAT64",
    "FLOAT32, FLOAT64",
    "BFLOAT16, BFLOAT16"
  })
  void tensorsAreCopiedFromFilesAndFromOthers(ElementType from, ElementType to) throws IOException {
    double[] numbers = Numbers.ordinary(new SplittableRandom(1), from, LENGTH);
    try (Tensor source = whole(from);
        Tensor target = whole(to)) {
      part(source).copyFrom(numbers);
      TensorCopy.widen(part(source), part(target));
      check(numbers, target);

      Object stored = Storage.of(from).newArray(LENGTH);
      part(source).read(0, stored, 0, LENGTH);
      BytesChannel file = new BytesChannel();
      new CheckpointWriter()
          .tensor(
              "before", ElementFormat.F64, List.of(1L), TensorSource.of(new double[] {Double.NaN}))
          .tensor("x", OptimizerSaver.format(from), List.of((long) LENGTH), TensorSource.of(stored))
          .write(file);
      part(target).zero();
      try (CheckpointReader reader = CheckpointReader.open(file.position(0))) {
        new TensorCopy(reader.tensor("x").orElseThrow(), part(target)).run(reader);
      }
      check(numbers, target);
    }
  }

  @ParameterizedTest
  @EnumSource
  void tensorsAreFilled(ElementType type) {
    try (Tensor target = whole(type)) {
      double[] expected = new double[LENGTH];
      for (double value : new double[] {-0.375, 0}) {
        TensorCopy.fill(part(target), value);
        Arrays.fill(expected, value);
        check(expected, target);
      }
    }
  }

  @Test
  void aFileMayHaveATypeWhoseNumbersAllAreOnesHere() {
    Map<ElementType, Set<ElementFormat>> exact =
        Map.of(
            ElementType.FLOAT16, Set.of(ElementFormat.F16),
            ElementType.BFLOAT16, Set.of(ElementFormat.BF16),
            ElementType.FLOAT32, Set.of(ElementFormat.F16, ElementFormat.BF16, ElementFormat.F32),
            ElementType.FLOAT64,
                Set.of(
                    ElementFormat.F16, ElementFormat.BF16, ElementFormat.F32, ElementFormat.F64));
    exact.forEach(
        (type, formats) -> {
          for (ElementFormat format : ElementFormat.values()) {
            assertEquals(
                formats.contains(format), TensorCopy.isExact(format, type), format + " as " + type);
          }
        });
  }

  @Test
  void whatIsClosedIsLeftAlone() {
    try (Tensor open = device.allocate(ElementType.FLOAT32, 3)) {
      Tensor closed = device.allocate(ElementType.BFLOAT16, 3);
      closed.close();
      assertThrows(ClosedException.class, () -> TensorCopy.fill(closed, 0));
      assertThrows(ClosedException.class, () -> TensorCopy.fill(closed, 1));
      assertThrows(ClosedException.class, () -> TensorCopy.widen(closed, open));
      assertThrows(ClosedException.class, () -> TensorCopy.widen(closed, closed));
    }
  }
}
