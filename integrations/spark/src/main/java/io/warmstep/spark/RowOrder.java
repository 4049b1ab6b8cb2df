package io.warmstep.spark;

import io.warmstep.collective.LaneTree;
import java.io.Serializable;

/**
 * Which rows belong to which step, lane and worker. Rows are numbered from 0; a batch has
 * consecutive ones, and each of its lanes consecutive ones of these.
 *
 * @param rows how many there are
 * @param batch rows of a batch; an epoch's last one may have fewer
 * @param lanes parts of a batch
 */
record RowOrder(long rows, int batch, int lanes) implements Serializable {
  long batches() {
    return (rows + batch - 1) / batch;
  }

  /** How many rows a step takes. */
  int rowsOf(long step) {
    long from = step % batches() * batch;
    return (int) Math.min(batch, rows - from);
  }

  /** The first row of a lane in a step; that of the lane after the last is the end. */
  long firstRow(long step, int lane) {
    return step % batches() * batch + (long) rowsOf(step) * lane / lanes;
  }

  /** Which worker needs a row. */
  int worker(long row, int workers) {
    LaneTree tree = new LaneTree(lanes, workers);
    long step = row / batch;
    int worker = 0;
    while (firstRow(step, tree.firstLane(worker + 1)) <= row) {
      worker++;
    }
    return worker;
  }
}
