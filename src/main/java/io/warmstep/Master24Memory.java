package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.Remainders;
import java.util.function.Supplier;

/**
 * The 24-bit masters of a bfloat16 parameter as float32, assembled and, rounded to nearest, split
 * on the host. Writing them writes the parameter, too.
 */
final class Master24Memory extends FloatView {
  private final Supplier<MemorySlice> values;
  private final MemorySlice words;

  /**
   * Creates the masters.
   *
   * @param values where the parameter is now, which may be rebound
   * @param words its corrections, two per 16-bit word
   * @param length number of elements
   */
  Master24Memory(Supplier<MemorySlice> values, MemorySlice words, long length) {
    super(length);
    this.values = values;
    this.words = words;
  }

  @Override
  void read(long at, Object array, int offset, int count, boolean isSettled) {
    int skipped = (int) (at % 2);
    short[] upper = new short[count];
    read(values.get(), at, upper, 0, count, isSettled);
    short[] rest = remainders(at - skipped, count + skipped, isSettled);
    Remainders remainders = REMAINDERS.take();
    remainders.join(upper, 0, rest, skipped, (float[]) array, offset, count);
    REMAINDERS.giveBack(remainders);
  }

  /** The corrections of elements from an even one on. */
  private short[] remainders(long at, int count, boolean isSettled) {
    short[] rest = new short[count];
    read(words, at / 2, rest, 0, (int) Remainders.words(count), isSettled);
    Remainders.unpack(rest, count);
    return rest;
  }

  /** An element that shares a word with the first or the last of them stays as it is. */
  @Override
  public void write(long at, Object array, int offset, int count) {
    if (count == 0) {
      return;
    }
    short[] upper = new short[count];
    short[] rest = new short[count];
    Remainders remainders = REMAINDERS.take();
    remainders.split24((float[]) array, offset, null, upper, rest, count);
    REMAINDERS.giveBack(remainders);
    MemorySlice place = values.get();
    place.memory().write(place.offset() + at, upper, 0, count);
    long first = at - at % 2;
    int covered = (int) (Math.min(length(), at + count + (at + count) % 2) - first);
    short[] all = covered == count ? rest : remainders(first, covered, false);
    System.arraycopy(rest, 0, all, (int) (at - first), count);
    Remainders.pack(all, covered);
    words.memory().write(words.offset() + first / 2, all, 0, (int) Remainders.words(covered));
  }
}
