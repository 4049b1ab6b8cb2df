package io.warmstep.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Leaves of tensors, and the chunks of them that threads take. */
class LeafIndexTest {
  private static final int LEAF = FloatTreeSum.LEAF;

  @Test
  void chunksAreAllLeavesInTheirOrder() {
    for (int threads : new int[] {1, 2, 7, 64}) {
      for (int leaves : new int[] {0, 1, 4, 5, 16, 17, 100, 1023, 5000}) {
        LeafIndex index = new LeafIndex(new long[] {(long) leaves * LEAF}, threads);
        int next = 0;
        for (int chunk = 0; chunk < index.chunks(); chunk++) {
          assertEquals(next, index.chunkStart(chunk));
          next = index.chunkEnd(chunk);
          assertTrue(next > index.chunkStart(chunk), leaves + " leaves, " + threads + " threads");
        }
        assertEquals(leaves, next);
      }
    }
  }

  @Test
  void fewLeavesAreSharedByManyThreads() {
    long million = 1_000_000;
    assertEquals(62, new LeafIndex(new long[] {million}, 64).chunks(), "of four leaves");
    assertEquals(16, new LeafIndex(new long[] {million}, 2).chunks(), "of sixteen");
  }

  @Test
  void aLeafIsOfTheTensorThatItStartsIn() {
    LeafIndex index = new LeafIndex(new long[] {LEAF + 1, 0, 1, 2 * LEAF}, 2);
    assertEquals(5, index.count());
    int[] expected = {0, 0, 2, 3, 3};
    for (int leaf = 0; leaf < expected.length; leaf++) {
      assertEquals(expected[leaf], index.tensorOf(leaf));
    }
    assertEquals(3, index.first(3));
  }
}
