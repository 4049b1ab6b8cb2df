package io.warmstep.backend.cpu;

import io.warmstep.DeviceReport;
import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import java.util.List;

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
    return new DeviceReport(
        NAME, 0, true, device, driver, Runtime.getRuntime().maxMemory(), true, "", "", "");
  }

  @Override
  public int preference() {
    return 0;
  }

  @Override
  public List<DeviceReport> devices() {
    return List.of(report());
  }

  @Override
  public BackendDevice open(DeviceOptions options) {
    if (options.index() > 0) {
      throw noDevice(options.index());
    }
    int threads =
        options.threads() > 0 ? options.threads() : Runtime.getRuntime().availableProcessors();
    return new CpuDevice(
        report(),
        Math.min(threads, MAX_THREADS),
        CpuDevice.PIECE_LENGTH,
        CpuDevice.LONG_PIECE_LENGTH);
  }
}
