package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendReport;
import io.warmstep.backend.cpu.CpuBackend;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Finds and opens devices. There is no silent fallback: a device asked for by name is opened or the
 * call fails with the cause, and {@link #report()} says why each other one was passed over.
 */
public final class Devices {
  /** In the order in which {@link #fastest()} prefers them. */
  private static final List<Backend> BACKENDS = List.of(new CpuBackend());

  private Devices() {}

  /**
   * Reports on every backend of this library.
   *
   * @return one report for each, in order of preference
   */
  public static List<BackendReport> report() {
    return BACKENDS.stream().map(Backend::report).toList();
  }

  /**
   * Opens the most preferred device that can be used. The CPU always can.
   *
   * @return the device, to be closed by the caller
   */
  public static Device fastest() {
    for (Backend backend : BACKENDS) {
      if (backend.report().usable()) {
        return new Device(backend.open(0));
      }
    }
    throw new BackendUnavailableException("no backend can be used: " + report(), null);
  }

  /**
   * Opens a device by its backend's name.
   *
   * @param name such as {@code cpu}
   * @return the device, to be closed by the caller
   * @throws BackendUnavailableException if there is no such backend, or with the cause why it
   *     cannot be used
   */
  public static Device require(String name) {
    return new Device(backend(name).open(0));
  }

  /**
   * Opens this machine's processor as a device, with a thread for each processor.
   *
   * @return the device, to be closed by the caller
   */
  public static Device cpu() {
    return new Device(backend(CpuBackend.NAME).open(0));
  }

  /**
   * Opens this machine's processor as a device. Results do not depend on the number of threads.
   *
   * @param threads how many run a step, the calling one included; at least 1
   * @return the device, to be closed by the caller
   * @throws IllegalArgumentException if threads is below 1 or above 1024
   */
  public static Device cpu(int threads) {
    if (threads < 1 || threads > CpuBackend.MAX_THREADS) {
      throw new IllegalArgumentException(
          "threads is " + threads + ", must be 1 to " + CpuBackend.MAX_THREADS);
    }
    return new Device(backend(CpuBackend.NAME).open(threads));
  }

  private static Backend backend(String name) {
    for (Backend backend : BACKENDS) {
      if (backend.name().equals(name)) {
        return backend;
      }
    }
    throw new BackendUnavailableException(
        "there is no backend \""
            + name
            + "\": this version has "
            + BACKENDS.stream().map(Backend::name).collect(Collectors.joining(", ")),
        null);
  }
}
