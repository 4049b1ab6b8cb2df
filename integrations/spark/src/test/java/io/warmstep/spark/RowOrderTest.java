package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.collective.LaneTree;
import org.junit.jupiter.api.Test;

class RowOrderTest {
  @Test
  void everyRowOfAnEpochIsInOneLaneOfItsWorkers() {
    for (long rows : new long[] {1, 7, 32, 33, 100}) {
      RowOrder order = new RowOrder(rows, 10, 8);
      for (int workers : new int[] {1, 3, 8}) {
        LaneTree tree = new LaneTree(8, workers);
        long next = 0;
        for (long step = 0; step < order.batches(); step++) {
          for (int lane = 0; lane < 8; lane++) {
            assertEquals(next, order.firstRow(step, lane));
            for (; next < order.firstRow(step, lane + 1); next++) {
              assertTrue(tree.belongsTo(lane, order.worker(next, workers)), "row " + next);
            }
          }
        }
        assertEquals(rows, next);
      }
      assertEquals(order.firstRow(0, 3), order.firstRow(order.batches(), 3), "the next epoch");
    }
  }
}
