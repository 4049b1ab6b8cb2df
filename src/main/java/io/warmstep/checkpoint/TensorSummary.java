package io.warmstep.checkpoint;

import java.io.IOException;
import java.util.Optional;

/**
 * Summary statistics of a tensor, computed in float64. Non-finite numbers are counted and excluded
 * from the rest.
 *
 * @param norm root of the sum of squares
 * @param min least, or NaN if no number is finite
 * @param max greatest, or NaN if no number is finite
 * @param nans how many are NaN
 * @param infinities how many are infinite
 */
public record TensorSummary(double norm, double min, double max, long nans, long infinities) {
  private static final int CHUNK = 1 << 14;

  /** A sum of squares that is this small, or not finite, is recomputed from scaled numbers. */
  private static final double TINY = 1e-280;

  /**
   * Summarizes a tensor.
   *
   * @param reader of the file
   * @param tensor one of its tensors
   * @return the summary, or empty for types that have none: complex numbers, 4-bit and 6-bit
   *     floats, and bare exponents
   * @throws IOException if it cannot be read
   */
  public static Optional<TensorSummary> of(CheckpointReader reader, TensorEntry tensor)
      throws IOException {
    switch (tensor.format()) {
      case F4, F6_E2M3, F6_E3M2, F8_E8M0, C64 -> {
        return Optional.empty();
      }
      default -> {
        TensorSummary plain = of(reader, tensor, 1);
        double largest = Math.max(Math.abs(plain.min), Math.abs(plain.max));
        boolean isExact = plain.norm > Math.sqrt(TINY) && plain.norm <= Double.MAX_VALUE;
        return Optional.of(isExact || !(largest > 0) ? plain : of(reader, tensor, largest));
      }
    }
  }

  private static TensorSummary of(CheckpointReader reader, TensorEntry tensor, double scale)
      throws IOException {
    double sum = 0;
    double min = Double.POSITIVE_INFINITY;
    double max = Double.NEGATIVE_INFINITY;
    long nans = 0;
    long infinities = 0;
    Object array = ElementCopy.array(tensor.format(), (int) Math.min(CHUNK, tensor.count()));
    for (long at = 0; at < tensor.count(); at += CHUNK) {
      int length = (int) Math.min(CHUNK, tensor.count() - at);
      reader.read(tensor, at, array, 0, length);
      for (int i = 0; i < length; i++) {
        double value = ElementValue.of(tensor.format(), array, i);
        if (Double.isNaN(value)) {
          nans++;
        } else if (Double.isInfinite(value)) {
          infinities++;
        } else {
          min = Math.min(min, value);
          max = Math.max(max, value);
          sum += (value / scale) * (value / scale);
        }
      }
    }
    boolean isEmpty = min > max;
    return new TensorSummary(
        Math.sqrt(sum) * scale,
        isEmpty ? Double.NaN : min,
        isEmpty ? Double.NaN : max,
        nans,
        infinities);
  }
}
