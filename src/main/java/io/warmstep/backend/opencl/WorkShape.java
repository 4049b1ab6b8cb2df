package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.storage.RandomRounding;
import io.warmstep.storage.StateCodes;

/**
 * How the work of a kernel is laid out; results do not depend on it. A GPU has many work-items with
 * 16 bytes each. A processor has work-groups of one work-item with wide vectors in a loop, so that
 * its compiler has no barriers to split the code at.
 *
 * @param floatLanes elements of float32 arithmetic that a work-item works on at a time: 4, 8 or 16
 * @param doubleLanes the same for float64
 * @param stepLocal work-items of a work-group of the update
 * @param stepUnits how many times a work-item of the update does so
 * @param normLocal work-items of a work-group of the norm
 */
record WorkShape(int floatLanes, int doubleLanes, int stepLocal, int stepUnits, int normLocal) {
  /**
   * Elements of a processor's tile: a table entry each, and a share for every thread. A page of
   * float32 was measured best: float32 Adam on PoCL takes a quarter longer with 4096.
   */
  private static final int PROCESSOR_TILE = 1024;

  static WorkShape of(DeviceInfo device) {
    return device.isAccelerator()
        ? ofGpu(device.maxWorkGroup())
        : ofProcessor(device.floatLanes(), device.doubleLanes());
  }

  static WorkShape ofGpu(int maxWorkGroup) {
    int most = Integer.highestOneBit(maxWorkGroup);
    int local = Math.min(256, most);
    return new WorkShape(4, 4, local, 1, local);
  }

  static WorkShape ofProcessor(int floatLanes, int doubleLanes) {
    int lanes = lanes(floatLanes);
    return new WorkShape(lanes, lanes(doubleLanes), 1, PROCESSOR_TILE / lanes, 1);
  }

  /** Whether a work-group is one work-item, which goes through a whole tile. */
  boolean isOfProcessor() {
    return stepLocal == 1;
  }

  private static int lanes(int preferred) {
    return preferred >= 16 ? 16 : preferred >= 8 ? 8 : 4;
  }

  /** Work-items along each side of a tile of a product: as many squared as other kernels have. */
  int matrixSide() {
    return stepLocal >= 256 ? 16 : stepLocal >= 64 ? 8 : stepLocal >= 16 ? 4 : 1;
  }

  /** Elements that a work-group sets to zero. */
  int zeroTile() {
    return floatLanes * stepLocal * stepUnits;
  }

  int lanes(ElementType type) {
    return type == ElementType.FLOAT64 ? doubleLanes : floatLanes;
  }

  /**
   * How many times a work-item of the update works on its lanes.
   *
   * @param isCoded whether state is stored as codes, of which a work-item has whole groups
   * @param drawsRuns whether it draws random numbers for a tile at once, which is a run of elements
   *     that share them
   */
  int stepUnits(ElementType type, boolean isCoded, boolean drawsRuns) {
    int units = drawsRuns ? RandomRounding.RUN / lanes(type) : stepUnits;
    return isCoded ? Math.max(units, StateCodes.GROUP / lanes(type)) : units;
  }

  /**
   * Work-items of a work-group that updates a tile of {@link UpdateTiles} and measures it: each has
   * elements of both halves of it, and with codes whole groups.
   */
  int measuredLocal(ElementType type, boolean isCoded) {
    int most = UpdateTiles.TILE / (isCoded ? StateCodes.GROUP : 2 * lanes(type));
    return Math.min(stepLocal, most);
  }
}
