package io.warmstep.backend.cpu;

import io.warmstep.backend.Memory;

/** Memory that the Java backend can read and write by itself. */
abstract class CpuMemory implements Memory {
  /**
   * The array that holds an element as the arithmetic type, for loops that work in place; null if
   * there is none and elements must go through {@link #load} and {@link #store}.
   */
  abstract Object arrayAt(long at);

  /** Index of an element in {@link #arrayAt}. */
  abstract int indexAt(long at);

  /** How many elements from this one on lie in one run, at least 1 within the memory. */
  abstract long contiguousFrom(long at);

  /**
   * Index behind the last element that loops over other arrays beside this one reach in place: in
   * long arrays these begin to copy somewhere. 0 if everything is copied.
   */
  int inPlaceEnd() {
    if (length() == 0 || arrayAt(0) == null) {
      return 0;
    }
    return (int) Math.min(indexAt(0) + contiguousFrom(0), CpuDevice.PIECE_LENGTH);
  }

  /** Whether {@link #load} and {@link #store} use the scratch. */
  abstract boolean needsScratch();

  /** Copies elements into an array of the arithmetic type, widening. */
  abstract void load(long at, Object target, int to, int length, ElementScratch scratch);

  /** Copies elements from an array of the arithmetic type, rounding to nearest even. */
  abstract void store(long at, Object source, int from, int length, ElementScratch scratch);
}
