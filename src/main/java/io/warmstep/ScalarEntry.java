package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.TensorEntry;
import java.io.IOException;
import java.util.Optional;

/** Single numbers of a checkpoint: step counts and hyperparameters, of any type. */
final class ScalarEntry {
  private ScalarEntry() {}

  /**
   * A number, or an element of a small tensor.
   *
   * @return empty if there is no such tensor, or it is not a number
   */
  static Optional<Double> read(CheckpointReader reader, String name, int index) throws IOException {
    Optional<TensorEntry> entry = reader.tensor(name);
    if (entry.isEmpty() || index >= entry.get().count()) {
      return Optional.empty();
    }
    switch (entry.get().format()) {
      case F64 -> {
        double[] value = new double[1];
        reader.read(entry.get(), index, value, 0, 1);
        return Optional.of(value[0]);
      }
      case F32 -> {
        float[] value = new float[1];
        reader.read(entry.get(), index, value, 0, 1);
        return Optional.of((double) value[0]);
      }
      case I64 -> {
        long[] value = new long[1];
        reader.read(entry.get(), index, value, 0, 1);
        return Optional.of((double) value[0]);
      }
      case I32 -> {
        int[] value = new int[1];
        reader.read(entry.get(), index, value, 0, 1);
        return Optional.of((double) value[0]);
      }
      case BOOL, U8 -> {
        byte[] value = new byte[1];
        reader.read(entry.get(), index, value, 0, 1);
        return Optional.of((double) value[0]);
      }
      default -> {
        return Optional.empty();
      }
    }
  }

  /** A count that {@link #read} has found, exactly. */
  static long count(CheckpointReader reader, String name) throws IOException {
    TensorEntry entry = reader.tensor(name).orElseThrow();
    if (entry.format() == io.warmstep.checkpoint.ElementFormat.I64) {
      long[] value = new long[1];
      reader.read(entry, 0, value, 0, 1);
      return value[0];
    }
    return read(reader, name, 0).orElseThrow().longValue();
  }
}
