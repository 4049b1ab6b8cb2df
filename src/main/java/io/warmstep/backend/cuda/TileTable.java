package io.warmstep.backend.cuda;

import io.warmstep.OutOfDeviceMemoryException;
import java.nio.ByteBuffer;

/** Which part of which tensor each block of a grid works on. */
final class TileTable {
  private final long[] counts;
  private final int blocks;
  private final Arena.Part part;

  /**
   * Numbers the tiles of all tensors through.
   *
   * @param arena receives the table
   * @param counts how many tiles each tensor has
   */
  TileTable(Arena arena, long[] counts) {
    long sum = 0;
    for (long count : counts) {
      sum += count;
    }
    if (sum > Integer.MAX_VALUE) {
      throw new OutOfDeviceMemoryException(
          sum + " tiles are more than a launch has blocks: use several optimizers", null);
    }
    this.counts = counts.clone();
    this.blocks = (int) sum;
    this.part = arena.table(sum * Layout.TILE_BYTES);
    fill(part.content());
  }

  private void fill(ByteBuffer content) {
    for (int tensor = 0; tensor < counts.length; tensor++) {
      for (int index = 0; index < counts[tensor]; index++) {
        content.putInt(tensor).putInt(index);
      }
    }
  }

  /** How many there are, one per block. */
  int blocks() {
    return blocks;
  }

  long address() {
    return part.address();
  }
}
