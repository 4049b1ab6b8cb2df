package io.warmstep.backend.cpu;

import io.warmstep.backend.BackendDevice;

/** CPU devices with memory as a test needs it. */
public final class CpuTestDevices {
  private CpuTestDevices() {}

  /** A device whose allocations are arrays of that many elements. */
  public static BackendDevice open(int threads, int pieceLength) {
    return new CpuDevice(new CpuBackend().report(), threads, pieceLength, pieceLength);
  }

  /** A device whose large memories take little, see {@link FoldedCpuDevice}. */
  public static BackendDevice openFolded(int threads) {
    return new FoldedCpuDevice(threads);
  }
}
