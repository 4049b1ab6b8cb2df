package io.warmstep;

import io.warmstep.backend.Encoding;
import io.warmstep.backend.MemorySlice;
import io.warmstep.storage.StateCodes;
import io.warmstep.storage.StateEncoder;

/**
 * A float32 view of state that is stored as codes: decoded and, rounding to nearest, encoded on the
 * host. Writing a part of a group encodes the rest of it again, with the new scale.
 */
final class CodedMemory extends FloatView {
  /** For all, as {@link #REMAINDERS} is. */
  private static final Spare<StateEncoder> ENCODERS = new Spare<>(StateEncoder::new);

  private final MemorySlice words;
  private final boolean areSquares;

  /**
   * A view of the codes at the given place.
   *
   * @param words codes and scales, in memory of 16-bit elements
   * @param encoding the encoding of the codes
   * @param length number of elements
   */
  CodedMemory(MemorySlice words, Encoding encoding, long length) {
    super(length);
    this.words = words;
    this.areSquares = encoding.isSquares();
  }

  /** Whether the codes encode squares. */
  boolean areSquares() {
    return areSquares;
  }

  /** Copies codes of whole groups to an array, two per word. */
  void readCodes(long group, short[] codes, int groups) {
    readCodes(group, codes, groups, false);
  }

  private void readCodes(long group, short[] codes, int groups, boolean isSettled) {
    int count = (int) StateCodes.firstCode(groups);
    read(words, StateCodes.firstCode(group), codes, 0, count, isSettled);
  }

  /** Copies scales to an array. */
  void readScales(long group, short[] scales, int offset, int groups) {
    readScales(group, scales, offset, groups, false);
  }

  private void readScales(long group, short[] scales, int offset, int groups, boolean isSettled) {
    read(words, StateCodes.firstScale(length()) + group, scales, offset, groups, isSettled);
  }

  /** Overwrites the codes of whole groups, two per word. */
  void writeCodes(long group, short[] codes, int groups) {
    long at = words.offset() + StateCodes.firstCode(group);
    words.memory().write(at, codes, 0, (int) StateCodes.firstCode(groups));
  }

  /** Overwrites scales. */
  void writeScales(long group, short[] scales, int groups) {
    long at = words.offset() + StateCodes.firstScale(length()) + group;
    words.memory().write(at, scales, 0, groups);
  }

  @Override
  void read(long at, Object array, int offset, int count, boolean isSettled) {
    long first = at / StateCodes.GROUP;
    float[] values = decode(first, (int) (StateCodes.groups(at + count) - first), isSettled);
    int skipped = (int) (at - first * StateCodes.GROUP);
    System.arraycopy(values, skipped, (float[]) array, offset, count);
  }

  private float[] decode(long group, int groups, boolean isSettled) {
    short[] codes = new short[(int) StateCodes.firstCode(groups)];
    short[] scales = new short[groups];
    readCodes(group, codes, groups, isSettled);
    readScales(group, scales, 0, groups, isSettled);
    float[] values = new float[groups * StateCodes.GROUP];
    StateCodes.decode(codes, scales, areSquares, values, 0, values.length);
    return values;
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    if (count == 0) {
      return;
    }
    long first = at / StateCodes.GROUP;
    long start = first * StateCodes.GROUP;
    int groups = (int) (StateCodes.groups(at + count) - first);
    int covered = (int) Math.min((long) groups * StateCodes.GROUP, length() - start);
    float[] values = covered == count ? new float[count] : decode(first, groups, false);
    System.arraycopy((float[]) array, offset, values, (int) (at - start), count);
    short[] codes = new short[(int) StateCodes.firstCode(groups)];
    short[] scales = new short[groups];
    StateEncoder encoder = ENCODERS.take();
    encoder.encode(values, 0, areSquares, null, codes, scales, covered);
    ENCODERS.giveBack(encoder);
    writeCodes(first, codes, groups);
    writeScales(first, scales, groups);
  }

  @Override
  public void zero(long at, long count) {
    if (count == length()) {
      words.memory().zero(words.offset(), StateCodes.words(length()));
      return;
    }
    super.zero(at, count);
  }
}
