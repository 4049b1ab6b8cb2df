package io.warmstep.backend.cpu;

import io.warmstep.DeviceReport;
import io.warmstep.ElementType;
import io.warmstep.OutOfDeviceMemoryException;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.storage.Storage;
import java.nio.Buffer;

/** A fixed number of threads over memory in arrays and buffers. */
class CpuDevice implements BackendDevice {
  /**
   * Elements in one array; longer allocations are several arrays. The terms of a rule with sums lie
   * at the index of the elements that they are of, so arrays are short enough for a thread to have
   * as long ones for terms, and long enough for a loop to lose nothing at their ends. Whole leaves,
   * and with its header just below a power of two of bytes: the G1 collector takes whole regions of
   * such a size for an array of half of one or more, and so twice the memory for one just above.
   */
  static final int PIECE_LENGTH = 63 * StepPlan.LEAF;

  /** The same of state beside arrays of the caller's, whose index it has to share. */
  static final int LONG_PIECE_LENGTH = 1 << 28;

  private final DeviceReport report;
  private final WorkerPool pool;
  private final int pieceLength;
  private final int longPieceLength;

  /** A device; the lengths of pieces are parameters so that tests can make them small. */
  CpuDevice(DeviceReport report, int threads, int pieceLength, int longPieceLength) {
    this.report = report;
    this.pool = new WorkerPool(threads);
    this.pieceLength = pieceLength;
    this.longPieceLength = longPieceLength;
  }

  @Override
  public DeviceReport report() {
    return report;
  }

  @Override
  public Memory allocate(Storage storage, long length) {
    return allocate(storage, length, pieceLength);
  }

  /**
   * Beside values that a step copies block by block, state in blocks needs no copy; beside others
   * it lies at their index.
   */
  @Override
  public Memory allocateBeside(MemorySlice values, Storage storage, long length) {
    int piece = Math.min(pieceLength, CpuStepProgram.COPY_BLOCK);
    if (values.memory() instanceof ArrayMemory arrays && arrays.storage().isArithmetic()) {
      piece = arrays.isBorrowed() ? longPieceLength : pieceLength;
    }
    return allocate(storage, length, piece);
  }

  /** Memory of zeros in arrays of a length; tests have arrays share elements. */
  Memory allocate(Storage storage, long length, int pieceLength) {
    // Filling the heap first would have other threads run out of memory.
    if (length > Runtime.getRuntime().maxMemory() / storage.type().bytes()
        || length / pieceLength >= Integer.MAX_VALUE) {
      throw outOfMemory(storage, length, null);
    }
    try {
      return ArrayMemory.allocate(storage, length, pieceLength);
    } catch (OutOfMemoryError e) {
      throw outOfMemory(storage, length, e);
    }
  }

  private OutOfDeviceMemoryException outOfMemory(Storage storage, long length, Throwable cause) {
    return new OutOfDeviceMemoryException(
        "cannot allocate "
            + length
            + " "
            + storage
            + " of "
            + storage.type().bytes()
            + " bytes on the Java heap of at most "
            + report.memoryBytes()
            + " bytes: raise it with -Xmx",
        cause);
  }

  @Override
  public Memory borrow(ElementType type, Object source, long offset, long length) {
    if (source instanceof Buffer buffer) {
      return BufferMemory.of(Storage.of(type), buffer);
    }
    if (source instanceof Long) {
      throw new IllegalArgumentException(
          "the cpu device has no raw handles: borrow an array or a buffer");
    }
    return ArrayMemory.over(Storage.of(type), source, (int) offset, (int) length);
  }

  @Override
  public StepProgram prepare(StepPlan plan) {
    return new CpuStepProgram(plan, pool);
  }

  @Override
  public void synchronize() {}

  @Override
  public void close() {
    pool.close();
  }
}
