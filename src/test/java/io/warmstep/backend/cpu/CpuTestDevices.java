package io.warmstep.backend.cpu;

import io.warmstep.backend.BackendDevice;

/** CPU devices with an array length of the test's choice. */
public final class CpuTestDevices {
  private CpuTestDevices() {}

  /** A device whose allocations are arrays of that many elements. */
  public static BackendDevice open(int threads, int pieceLength) {
    return new CpuDevice(new CpuBackend().report(), threads, pieceLength, pieceLength);
  }
}
