package io.warmstep.backend.cpu;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.storage.StateCodes;

/**
 * One thread's measured updates: block by block of whole tiles, while the caches hold the block.
 * Copies what the block holds before, has it updated as in any step, and reads again what is
 * stored, as the next step will.
 */
final class CpuMeter {
  /** Tiles of a block: copies of it stay in the caches. */
  private static final int TILES = 4;

  private static final int BLOCK = TILES * UpdateTiles.TILE;

  private final CpuWorker worker;
  private final ElementScratch scratch = new ElementScratch(BLOCK);
  private TileSums floats;
  private TileSums doubles;

  CpuMeter(CpuWorker worker) {
    this.worker = worker;
  }

  /** Makes room for a span, so that a step in progress does not run out of memory. */
  void prepare(CpuSpan span) {
    span.prepare(scratch);
    sums(span.isDouble).slots(span.codedSlots());
  }

  /** Updates elements of a span, from one at which a tile begins to another, or to its end. */
  void update(CpuSpan span, long from, long to, UpdateTiles tiles) {
    for (long at = from; at < to; ) {
      int entry = span.entryAt(at);
      long start = span.entryStart(entry);
      long n = Math.min(to, span.entryStart(entry + 1)) - at;
      MemorySlice rows = tiles.rows(span.entryIndex(entry));
      if (rows == null) {
        worker.update(span, at, at + n);
      } else {
        n = Math.min(n, BLOCK);
        measure(span, at, (int) n, (at - start) / UpdateTiles.TILE, rows);
      }
      at += n;
    }
  }

  private TileSums sums(boolean isDouble) {
    if (isDouble) {
      doubles = doubles == null ? TileSums.of(true, TILES) : doubles;
      return doubles;
    }
    floats = floats == null ? TileSums.of(false, TILES) : floats;
    return floats;
  }

  private void measure(CpuSpan span, long at, int n, long tile, MemorySlice rows) {
    TileSums sums = sums(span.isDouble);
    sums.slots(span.codedSlots());
    span.load(0, at, sums.before(), 0, n, scratch);
    span.load(1, at, sums.gradients(), 0, n, scratch);
    worker.update(span, at, at + n);
    span.load(0, at, sums.after(), 0, n, scratch);
    sums.changes(n);
    for (int slot = 0; slot < span.codedSlots(); slot++) {
      int operand = span.coded(slot);
      span.load(operand, at, sums.after(), 0, n, scratch);
      sums.codes(slot, StateCodes.largest(span.isSquares(operand)), n);
    }
    int numbers = sums.numbers(n);
    long row = rows.offset() + tile * UpdateTiles.width(span.codedSlots());
    rows.memory().write(row, sums.rows(), 0, numbers);
  }
}
