package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.SumKind;

/** One thread's sums of leaves in memory, which are read in place where they lie in one array. */
final class LeafSum {
  final FloatTreeSum floats;
  final DoubleTreeSum doubles;
  private final float[] floatCopy = new float[FloatTreeSum.LEAF];
  private final double[] doubleCopy = new double[DoubleTreeSum.LEAF];
  private final ElementScratch scratch = new ElementScratch(FloatTreeSum.LEAF);

  LeafSum(SumKind kind) {
    floats = new FloatTreeSum(kind);
    doubles = new DoubleTreeSum(kind);
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare(CpuMemory memory) {
    scratch.prepare(memory);
    if (memory.storage().type() == ElementType.FLOAT64) {
      doubles.prepare(memory.inPlaceEnd());
    } else {
      floats.prepare(memory.inPlaceEnd());
    }
  }

  /** Sums a leaf of float32 arithmetic; the result is in {@link #floats}. */
  void addFloats(CpuMemory memory, long at, int n) {
    if (isInOneArray(memory, at, n)) {
      floats.leaf((float[]) memory.arrayAt(at), memory.indexAt(at), n);
    } else {
      memory.load(at, floatCopy, 0, n, scratch);
      floats.leaf(floatCopy, 0, n);
    }
  }

  /** Sums a leaf of float64 arithmetic; the result is in {@link #doubles}. */
  void addDoubles(CpuMemory memory, long at, int n) {
    if (isInOneArray(memory, at, n)) {
      doubles.leaf((double[]) memory.arrayAt(at), memory.indexAt(at), n);
    } else {
      memory.load(at, doubleCopy, 0, n, scratch);
      doubles.leaf(doubleCopy, 0, n);
    }
  }

  private static boolean isInOneArray(CpuMemory memory, long at, int n) {
    return memory.arrayAt(at) != null && memory.contiguousFrom(at) >= n;
  }
}
