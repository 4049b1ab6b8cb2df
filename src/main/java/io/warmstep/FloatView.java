package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.storage.Storage;

/**
 * What is kept in another way as float32: put together where it is read, taken apart where it is
 * written, both on the host. What it is made of is another's memory.
 */
abstract class FloatView implements Memory {
  private final long length;

  /**
   * A view of that many elements.
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

  /** There is nothing of its own. */
  @Override
  public final void close() {}
}
