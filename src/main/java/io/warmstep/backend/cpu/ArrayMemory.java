package io.warmstep.backend.cpu;

import io.warmstep.storage.Storage;
import java.nio.Buffer;

/** Elements in Java arrays: one of the caller's, or as many of our own as the length needs. */
final class ArrayMemory extends CpuMemory {
  private final Storage storage;
  private final long length;
  private final int pieceLength;
  private final int start;
  private Object[] pieces;

  private ArrayMemory(Storage storage, long length, Object[] pieces, int pieceLength, int start) {
    this.storage = storage;
    this.length = length;
    this.pieces = pieces;
    this.pieceLength = pieceLength;
    this.start = start;
  }

  static ArrayMemory allocate(Storage storage, long length, int pieceLength) {
    int count = Math.toIntExact((length + pieceLength - 1) / pieceLength);
    Object[] pieces = new Object[count];
    for (int i = 0; i < count; i++) {
      int n = (int) Math.min(pieceLength, length - (long) i * pieceLength);
      pieces[i] = storage.newArray(n);
    }
    return over(storage, length, pieces, pieceLength);
  }

  /** Over arrays of {@code pieceLength} elements each, the last of which may have fewer. */
  static ArrayMemory over(Storage storage, long length, Object[] pieces, int pieceLength) {
    return new ArrayMemory(storage, length, pieces, pieceLength, 0);
  }

  static ArrayMemory over(Storage storage, Object array, int start, int length) {
    return new ArrayMemory(storage, length, new Object[] {array}, Integer.MAX_VALUE, start);
  }

  /** Whether it is one array of the caller's, however long. */
  boolean isBorrowed() {
    return pieceLength == Integer.MAX_VALUE;
  }

  @Override
  public Storage storage() {
    return storage;
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  Object arrayAt(long at) {
    return storage.isArithmetic() ? piece(at) : null;
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
      storage.copy(array, offset + done, piece(at + done), indexAt(at + done), n);
      done += n;
    }
  }

  @Override
  public void read(long at, Object array, int offset, int count) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      storage.copy(piece(at + done), indexAt(at + done), array, offset + done, n);
      done += n;
    }
  }

  @Override
  public void write(long at, Buffer buffer, int from, int count) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      storage.get(buffer, from + done, piece(at + done), indexAt(at + done), n);
      done += n;
    }
  }

  @Override
  public void read(long at, Buffer buffer, int to, int count) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      storage.put(piece(at + done), indexAt(at + done), buffer, to + done, n);
      done += n;
    }
  }

  @Override
  boolean needsScratch() {
    return false;
  }

  @Override
  void load(long at, Object target, int to, int count, ElementScratch scratch) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      storage.load(piece(at + done), indexAt(at + done), target, to + done, n);
      done += n;
    }
  }

  @Override
  void store(long at, Object source, int from, int count, ElementScratch scratch) {
    for (int done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      storage.store(source, from + done, piece(at + done), indexAt(at + done), n);
      done += n;
    }
  }

  @Override
  public void zero(long at, long count) {
    for (long done = 0; done < count; ) {
      int n = (int) Math.min(count - done, contiguousFrom(at + done));
      int from = indexAt(at + done);
      storage.fill(piece(at + done), from, from + n, 0);
      done += n;
    }
  }

  @Override
  public Location location() {
    // An empty allocation has no array and overlaps nothing.
    return pieces.length == 0
        ? new Location(this, 0)
        : new Location(pieces[0], storage.bytes(start));
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
        + storage
        + " in "
        + pieces.length
        + " arrays of at most "
        + Math.min(length, pieceLength);
  }
}
