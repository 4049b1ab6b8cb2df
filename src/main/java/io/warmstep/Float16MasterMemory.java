package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import io.warmstep.storage.Storage;
import java.util.function.Supplier;

/**
 * The masters of a float16 parameter as its steps read them: where a float32 does not round to the
 * parameter, somebody has written that, and it is the master. Writing them writes the parameter,
 * too.
 */
final class Float16MasterMemory extends FloatView {
  private final Supplier<MemorySlice> values;
  private final MemorySlice masters;

  /**
   * Creates the masters.
   *
   * @param values where the parameter is now, which may be rebound
   * @param masters the float32 of each element
   * @param length number of elements
   */
  Float16MasterMemory(Supplier<MemorySlice> values, MemorySlice masters, long length) {
    super(length);
    this.values = values;
    this.masters = masters;
  }

  @Override
  void read(long at, Object array, int offset, int count, boolean isSettled) {
    short[] halves = new short[count];
    read(values.get(), at, halves, 0, count, isSettled);
    read(masters, at, array, offset, count, isSettled);
    Remainders.reconcile((float[]) array, offset, halves, 0, count);
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    short[] rounded = new short[count];
    Storage.of(ElementType.FLOAT16).store(array, offset, rounded, 0, count);
    MemorySlice place = values.get();
    place.memory().write(place.offset() + at, rounded, 0, count);
    masters.memory().write(masters.offset() + at, array, offset, count);
  }
}
