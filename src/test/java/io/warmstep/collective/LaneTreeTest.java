package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LaneTreeTest {
  /** The sum of lanes as text, which shows its order. */
  private static String sum(LaneTree tree) {
    List<String> all = new ArrayList<>();
    for (int rank = 0; rank < tree.workers(); rank++) {
      String[] lanes = new String[tree.lanes()];
      for (int lane = tree.firstLane(rank); lane < tree.firstLane(rank + 1); lane++) {
        lanes[lane] = "" + lane;
      }
      for (List<Integer> pair : tree.localAdditions(rank)) {
        lanes[pair.get(0)] = "(" + lanes[pair.get(0)] + "+" + lanes[pair.get(1)] + ")";
      }
      tree.nodes(rank).forEach(node -> all.add(lanes[node.firstLane()]));
    }
    for (LaneTree.Addition addition : tree.additions()) {
      all.set(addition.to(), "(" + all.get(addition.to()) + "+" + all.get(addition.from()) + ")");
    }
    return all.get(0);
  }

  @Test
  void addsNeighboursFirst() {
    assertEquals("0", sum(new LaneTree(1, 1)));
    assertEquals("((0+1)+2)", sum(new LaneTree(3, 1)));
    assertEquals("(((0+1)+(2+3))+4)", sum(new LaneTree(5, 2)));
    assertEquals("(((0+1)+(2+3))+((4+5)+(6+7)))", sum(new LaneTree(8, 3)));
  }

  @Test
  void theOrderDependsOnTheLanesAlone() {
    for (int lanes = 1; lanes <= 40; lanes++) {
      String order = sum(new LaneTree(lanes, 1));
      for (int workers = 2; workers <= lanes; workers++) {
        assertEquals(order, sum(new LaneTree(lanes, workers)), lanes + " on " + workers);
      }
    }
  }

  @Test
  void aWorkerSendsFewSums() {
    assertEquals(List.of(new LaneTree.Node(2, 1)), new LaneTree(8, 2).nodes(1));
    assertEquals(
        List.of(new LaneTree.Node(1, 1), new LaneTree.Node(0, 4)), new LaneTree(8, 3).nodes(1));
    assertEquals(List.of(new LaneTree.Node(10, 0)), new LaneTree(1024, 1).nodes(0));
  }

  @Test
  void eachMicroBatchBelongsToOneWorker() {
    LaneTree tree = new LaneTree(8, 3);
    for (int microBatch = 0; microBatch < 24; microBatch++) {
      int owners = 0;
      for (int rank = 0; rank < 3; rank++) {
        owners += tree.belongsTo(microBatch, rank) ? 1 : 0;
      }
      assertEquals(1, owners);
      assertEquals(microBatch % 8, tree.lane(microBatch));
    }
  }

  @Test
  void refusesFewerLanesThanWorkers() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> new LaneTree(3, 4)).getMessage();
    assertTrue(message.startsWith("lanes is 3, must be from 4, the number of workers"), message);
    assertThrows(IllegalArgumentException.class, () -> new LaneTree(1025, 4));
    assertThrows(IllegalArgumentException.class, () -> new LaneTree(1, 0));
  }
}
