package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.Storage;

/**
 * A float32 view of data that is stored in another form: assembled when read and split when
 * written, both on the host. The underlying memory belongs to others.
 */
abstract class FloatView implements Memory {
  /** For all views: copies are rare, and each parameter has several. */
  static final Spare<Remainders> REMAINDERS = new Spare<>(Remainders::new);

  private final long length;

  /**
   * Creates a view.
   *
   * @param length number of elements
   */
  FloatView(long length) {
    this.length = length;
  }

  @Override
  public final Storage storage() {
    return Storage.of(ElementType.FLOAT32);
  }

  @Override
  public final long length() {
    return length;
  }

  @Override
  public final void read(long at, Object array, int offset, int count) {
    read(at, array, offset, count, false);
  }

  @Override
  public final void readSettled(long at, Object array, int offset, int count) {
    read(at, array, offset, count, true);
  }

  /** Assembles elements; {@code isSettled} as for {@link #readSettled}. */
  abstract void read(long at, Object array, int offset, int count, boolean isSettled);

  /** Reads elements of underlying memory likewise. */
  static void read(
      MemorySlice from, long at, Object array, int offset, int count, boolean isSettled) {
    if (isSettled) {
      from.memory().readSettled(from.offset() + at, array, offset, count);
    } else {
      from.memory().read(from.offset() + at, array, offset, count);
    }
  }

  @Override
  public void zero(long at, long count) {
    float[] zeros = new float[(int) Math.min(count, HOST_CHUNK)];
    for (long done = 0; done < count; done += zeros.length) {
      write(at + done, zeros, 0, (int) Math.min(zeros.length, count - done));
    }
  }

  @Override
  public final boolean isView() {
    return true;
  }

  @Override
  public final Location location() {
    return new Location(this, 0);
  }

  /** There is nothing to free. */
  @Override
  public final void close() {}
}
