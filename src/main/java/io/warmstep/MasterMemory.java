package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.Storage;
import java.util.function.Supplier;

/**
 * The float32 masters of a bfloat16 parameter, put together and taken apart on the host. Whoever
 * writes them writes the parameter, too.
 */
final class MasterMemory implements Memory {
  private final Supplier<MemorySlice> values;
  private final MemorySlice rest;
  private final long length;

  /**
   * Masters from where they lie.
   *
   * @param values where the parameter is now, which may be rebound
   * @param rest its remainders, of another memory
   * @param length count of elements
   */
  MasterMemory(Supplier<MemorySlice> values, MemorySlice rest, long length) {
    this.values = values;
    this.rest = rest;
    this.length = length;
  }

  @Override
  public Storage storage() {
    return Storage.of(ElementType.FLOAT32);
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  public void read(long at, Object array, int offset, int count) {
    short[] upper = new short[count];
    short[] lower = new short[count];
    MemorySlice place = values.get();
    place.memory().read(place.offset() + at, upper, 0, count);
    rest.memory().read(rest.offset() + at, lower, 0, count);
    Remainders.join(upper, 0, lower, 0, (float[]) array, offset, count);
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    short[] upper = new short[count];
    short[] lower = new short[count];
    Remainders.split((float[]) array, offset, upper, 0, lower, 0, count);
    MemorySlice place = values.get();
    place.memory().write(place.offset() + at, upper, 0, count);
    rest.memory().write(rest.offset() + at, lower, 0, count);
  }

  @Override
  public void zero(long at, long count) {
    MemorySlice place = values.get();
    place.memory().zero(place.offset() + at, count);
    rest.memory().zero(rest.offset() + at, count);
  }

  @Override
  public boolean isView() {
    return true;
  }

  @Override
  public Location location() {
    return new Location(this, 0);
  }

  /** Both memories are another's. */
  @Override
  public void close() {}
}
