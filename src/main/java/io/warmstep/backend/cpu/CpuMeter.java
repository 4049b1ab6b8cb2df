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

  /** Makes room for a run, so that a step in progress does not run out of memory. */
  void prepare(CpuRun run) {
    run.prepare(scratch);
    sums(run.isDouble).slots(run.codedSlots());
  }

  /** Updates elements of a run, from one at which a tile begins to another, or to its end. */
  void update(CpuRun run, long from, long to, UpdateTiles tiles) {
    for (long at = from; at < to; ) {
      int entry = run.entryAt(at);
      long start = run.entryStart(entry);
      long n = Math.min(to, run.entryStart(entry + 1)) - at;
      MemorySlice rows = tiles.rows(run.entryIndex(entry));
      if (rows == null) {
        worker.update(run, at, at + n);
      } else {
        n = Math.min(n, BLOCK);
        measure(run, at, (int) n, (at - start) / UpdateTiles.TILE, rows);
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

  private void measure(CpuRun run, long at, int n, long tile, MemorySlice rows) {
    TileSums sums = sums(run.isDouble);
    sums.slots(run.codedSlots());
    run.load(0, at, sums.before(), 0, n, scratch);
    run.load(1, at, sums.gradients(), 0, n, scratch);
    worker.update(run, at, at + n);
    run.load(0, at, sums.after(), 0, n, scratch);
    sums.changes(n);
    for (int slot = 0; slot < run.codedSlots(); slot++) {
      int operand = run.coded(slot);
      run.load(operand, at, sums.after(), 0, n, scratch);
      sums.codes(slot, StateCodes.largest(run.isSquares(operand)), n);
    }
    int numbers = sums.numbers(n);
    long row = rows.offset() + tile * UpdateTiles.width(run.codedSlots());
    rows.memory().write(row, sums.rows(), 0, numbers);
  }
}
