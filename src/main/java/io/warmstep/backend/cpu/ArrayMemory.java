package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.HalfFloats;
import java.lang.reflect.Array;
import java.util.Arrays;

/** Elements in Java arrays: one of the caller's, or as many of our own as the length needs. */
final class ArrayMemory extends CpuMemory {
  private final ElementType type;
  private final long length;
  private final int pieceLength;
  private final int start;
  private Object[] pieces;

  private ArrayMemory(ElementType type, long length, Object[] pieces, int pieceLength, int start) {
    this.type = type;
    this.length = length;
    this.pieces = pieces;
    this.pieceLength = pieceLength;
    this.start = start;
  }

  static ArrayMemory allocate(ElementType type, long length, int pieceLength) {
    int count = Math.toIntExact((length + pieceLength - 1) / pieceLength);
    Object[] pieces = new Object[count];
    for (int i = 0; i < count; i++) {
      int n = (int) Math.min(pieceLength, length - (long) i * pieceLength);
      pieces[i] =
          switch (type) {
            case FLOAT32 -> new float[n];
            case FLOAT64 -> new double[n];
            case FLOAT16, BFLOAT16 -> new short[n];
          };
    }
    return new ArrayMemory(type, length, pieces, pieceLength, 0);
  }

  static ArrayMemory over(ElementType type, Object array, int start, int length) {
    return new ArrayMemory(type, length, new Object[] {array}, Integer.MAX_VALUE, start);
  }

  @Override
  public ElementType type() {
    return type;
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  Object arrayAt(long at) {
    return type.isHalf() ? null : pieces[(int) (at / pieceLength)];
  }

  @Override
  int indexAt(long at) {
    return start + (int) (at % pieceLength);
  }

  @Override
  long contiguousFrom(long at) {
    return Math.min(length - at, pieceLength - at % pieceLength);
  }

  @Override
  public void write(long at, Object array, int offset, int count) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      System.arraycopy(array, offset + done, piece(at + done), indexAt(at + done), n);
      done += n;
    }
  }

  @Override
  public void read(long at, Object array, int offset, int count) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      System.arraycopy(piece(at + done), indexAt(at + done), array, offset + done, n);
      done += n;
    }
  }

  @Override
  void load(long at, Object target, int to, int count, short[] scratch) {
    if (type.isHalf()) {
      read(at, scratch, 0, count);
      HalfFloats.widen(type, scratch, 0, (float[]) target, to, count);
    } else {
      read(at, target, to, count);
    }
  }

  @Override
  void store(long at, Object source, int from, int count, short[] scratch) {
    if (type.isHalf()) {
      HalfFloats.narrow(type, (float[]) source, from, scratch, 0, count);
      write(at, scratch, 0, count);
    } else {
      write(at, source, from, count);
    }
  }

  @Override
  public void zero(long at, long count) {
    for (long done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      int from = indexAt(at + done);
      switch (type) {
        case FLOAT32 -> Arrays.fill((float[]) piece(at + done), from, from + n, 0f);
        case FLOAT64 -> Arrays.fill((double[]) piece(at + done), from, from + n, 0d);
        case FLOAT16, BFLOAT16 ->
            Arrays.fill((short[]) piece(at + done), from, from + n, (short) 0);
      }
      done += n;
    }
  }

  @Override
  public Location location() {
    // An empty allocation has no array and overlaps nothing.
    return pieces.length == 0
        ? new Location(this, 0)
        : new Location(pieces[0], (long) start * type.bytes());
  }

  @Override
  public void close() {
    pieces = new Object[0]; // the arrays can be collected even while the handle is kept
  }

  private Object piece(long at) {
    return pieces[(int) (at / pieceLength)];
  }

  @Override
  public String toString() {
    return length
        + " "
        + type
        + " in "
        + pieces.length
        + " arrays of "
        + (pieces.length == 0 ? 0 : Array.getLength(pieces[0]));
  }
}
