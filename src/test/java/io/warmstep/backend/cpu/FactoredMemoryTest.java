package io.warmstep.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.storage.Storage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FactoredMemoryTest {
  /** Of columns, rows, and matrices of one element. */
  @ParameterizedTest
  @CsvSource({"1, 2147487745, 1", "1, 1, 2147487745", "1073741824, 1, 1"})
  void moreThanAnArrayHoldsIsRefused(long matrices, long height, long width) {
    StepPlan.Factors factors = new StepPlan.Factors(null, null, matrices, height, width);
    Storage storage = Storage.of(ElementType.FLOAT32);
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> new FactoredMemory(factors, storage, false))
            .getMessage();
    assertEquals(
        "a parameter with factors is "
            + matrices
            + " x "
            + height
            + " x "
            + width
            + ", must be of matrices with fewer than 2^31 rows and columns together on the"
            + " processor: give it a shape whose last two dimensions are longer, or leave the shape"
            + " out",
        message);
  }
}
