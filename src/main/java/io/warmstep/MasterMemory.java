package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import java.util.function.Supplier;

/**
 * The float32 masters of a bfloat16 parameter, assembled and split on the host. Writing them writes
 * the parameter, too.
 */
final class MasterMemory extends FloatView {
  private final Supplier<MemorySlice> values;
  private final MemorySlice rest;

  /**
   * Creates the masters.
   *
   * @param values where the parameter is now, which may be rebound
   * @param rest its remainders, in separate memory
   * @param length number of elements
   */
  MasterMemory(Supplier<MemorySlice> values, MemorySlice rest, long length) {
    super(length);
    this.values = values;
    this.rest = rest;
  }

  @Override
  void read(long at, Object array, int offset, int count, boolean isSettled) {
    short[] upper = new short[count];
    short[] lower = new short[count];
    read(values.get(), at, upper, 0, count, isSettled);
    read(rest, at, lower, 0, count, isSettled);
    Remainders remainders = REMAINDERS.take();
    remainders.join(upper, 0, lower, 0, (float[]) array, offset, count);
    REMAINDERS.giveBack(remainders);
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
}
