package io.warmstep.backend.cpu;

import io.warmstep.storage.Storage;
import java.nio.Buffer;

/** Elements in a buffer of the caller's, mostly off the heap. */
final class BufferMemory extends CpuMemory {
  /** Base of all direct buffers' locations. */
  private static final Object OFF_HEAP = new Object();

  private final Storage storage;
  private final Buffer buffer;

  private BufferMemory(Storage storage, Buffer buffer) {
    this.storage = storage;
    this.buffer = buffer;
  }

  /** Memory over a buffer of the storage's kind, all of it. */
  static CpuMemory of(Storage storage, Buffer buffer) {
    return buffer.hasArray()
        ? ArrayMemory.over(storage, buffer.array(), buffer.arrayOffset(), buffer.limit())
        : new BufferMemory(storage, buffer);
  }

  @Override
  public Storage storage() {
    return storage;
  }

  @Override
  public long length() {
    return buffer.limit();
  }

  @Override
  Object arrayAt(long at) {
    return null;
  }

  @Override
  int indexAt(long at) {
    return (int) at;
  }

  @Override
  long contiguousFrom(long at) {
    return length() - at;
  }

  @Override
  boolean needsScratch() {
    return !storage.isArithmetic();
  }

  @Override
  void load(long at, Object target, int to, int count, ElementScratch scratch) {
    if (storage.isArithmetic()) {
      read(at, target, to, count);
    } else {
      Object stored = scratch.of(storage);
      read(at, stored, 0, count);
      storage.load(stored, 0, target, to, count);
    }
  }

  @Override
  void store(long at, Object source, int from, int count, ElementScratch scratch) {
    if (storage.isArithmetic()) {
      write(at, source, from, count);
    } else {
      Object stored = scratch.of(storage);
      storage.store(source, from, stored, 0, count);
      write(at, stored, 0, count);
    }
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    storage.put(array, offset, buffer, (int) at, count);
  }

  @Override
  public void read(long at, Object array, int offset, int count) {
    storage.get(buffer, (int) at, array, offset, count);
  }

  @Override
  public void zero(long at, long count) {
    storage.zero(buffer, (int) at, (int) count);
  }

  @Override
  public Location location() {
    return buffer.isDirect() && DirectAddress.isKnown()
        ? new Location(OFF_HEAP, DirectAddress.of(buffer))
        : new Location(buffer, 0);
  }

  @Override
  public void close() {}
}
