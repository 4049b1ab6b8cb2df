package io.warmstep.backend.cpu;

import io.warmstep.backend.Memory;
import io.warmstep.storage.Storage;

/**
 * A device whose large memories take little: where they begin, around the middle and where they end
 * they have arrays of their own, as far as an element or two million; in all other places stands
 * one array again and again. So steps go over more elements than there is memory for, and what they
 * do where it is folded is right as long as all elements there hold the same number.
 */
final class FoldedCpuDevice extends CpuDevice {
  private static final long LARGE = 1L << 26;
  private static final long OWN = 1L << 20;

  FoldedCpuDevice(int threads) {
    super(new CpuBackend().report(), threads, PIECE_LENGTH, LONG_PIECE_LENGTH);
  }

  @Override
  Memory allocate(Storage storage, long length, int pieceLength) {
    if (length < LARGE) {
      return super.allocate(storage, length, pieceLength);
    }
    Object[] pieces = new Object[Math.toIntExact((length + pieceLength - 1) / pieceLength)];
    Object folded = storage.newArray(pieceLength);
    for (int i = 0; i < pieces.length; i++) {
      long from = (long) i * pieceLength;
      long to = Math.min(length, from + pieceLength);
      boolean isOwn =
          from < OWN || (to > length / 2 - OWN && from < length / 2 + OWN) || to > length - OWN;
      pieces[i] = isOwn ? storage.newArray((int) (to - from)) : folded;
    }
    return ArrayMemory.over(storage, length, pieces, pieceLength);
  }
}
