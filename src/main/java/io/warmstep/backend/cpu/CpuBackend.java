package io.warmstep.backend.cpu;

import io.warmstep.DeviceReport;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;

/** This machine's processor; always there, needs nothing. */
public final class CpuBackend implements Backend {
  /** Name to ask for it by. */
  public static final String NAME = "cpu";

  /** More threads than this are surely a mistake. */
  public static final int MAX_THREADS = 1024;

  /** The backend. */
  public CpuBackend() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public DeviceReport report() {
    String device =
        Runtime.getRuntime().availableProcessors() + " x " + System.getProperty("os.arch");
    String driver =
        System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version");
    return new DeviceReport(NAME, true, device, driver, Runtime.getRuntime().maxMemory(), true, "");
  }

  @Override
  public BackendDevice open(int threads) {
    int count = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    return new CpuDevice(report(), Math.min(count, MAX_THREADS), CpuDevice.PIECE_LENGTH);
  }
}
