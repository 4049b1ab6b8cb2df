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
final class CpuDevice implements BackendDevice {
  /** Elements in one array; longer allocations are several arrays. */
  static final int PIECE_LENGTH = 1 << 28;

  private final DeviceReport report;
  private final WorkerPool pool;
  private final int pieceLength;

  /** A device; the piece length is a parameter so that tests can make it small. */
  CpuDevice(DeviceReport report, int threads, int pieceLength) {
    this.report = report;
    this.pool = new WorkerPool(threads);
    this.pieceLength = pieceLength;
  }

  @Override
  public DeviceReport report() {
    return report;
  }

  @Override
  public Memory allocate(Storage storage, long length) {
    return allocate(storage, length, pieceLength);
  }

  /** Beside values that a step copies block by block, state in blocks needs no copy. */
  @Override
  public Memory allocateBeside(MemorySlice values, Storage storage, long length) {
    boolean isCopied =
        values.memory() instanceof BufferMemory || !values.memory().storage().isArithmetic();
    return allocate(
        storage, length, isCopied ? Math.min(pieceLength, CpuStepProgram.COPY_BLOCK) : pieceLength);
  }

  private Memory allocate(Storage storage, long length, int pieceLength) {
    if (length / pieceLength >= Integer.MAX_VALUE) {
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
