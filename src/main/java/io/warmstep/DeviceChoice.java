package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.LoadFailure;
import io.warmstep.backend.SelfTest;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Chooses among backends. An accelerator is preferred to the processor if it passes the self-test,
 * which it takes once; what that found is logged and joins the backend's report.
 */
final class DeviceChoice {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final List<Backend> backends;
  private final Map<Backend, String> problems = new ConcurrentHashMap<>();
  private final Set<Backend> passed = new HashSet<>();
  private final Set<Backend> failed = new HashSet<>();

  /**
   * A choice.
   *
   * @param backends in order of preference; the last is the processor
   */
  DeviceChoice(List<Backend> backends) {
    this.backends = List.copyOf(backends);
  }

  List<DeviceReport> report() {
    return backends.stream().map(this::report).toList();
  }

  private DeviceReport report(Backend backend) {
    DeviceReport report = backend.report();
    String problem = problems.get(backend);
    return problem == null
        ? report
        : new DeviceReport(
            report.backend(),
            report.usable(),
            report.device(),
            report.driver(),
            report.memoryBytes(),
            false,
            problem);
  }

  Device fastest() {
    for (Backend backend : backends) {
      if (backend.isAccelerator()) {
        Optional<BackendDevice> device = openTested(backend);
        if (device.isPresent()) {
          return new Device(device.get());
        }
      }
    }
    return new Device(backends.get(backends.size() - 1).open(0));
  }

  /**
   * Opens a device that passes the self-test. One that fails it is not tried again; one that cannot
   * be opened is, since another program may hold it for a while.
   */
  private synchronized Optional<BackendDevice> openTested(Backend backend) {
    if (failed.contains(backend)) {
      return Optional.empty();
    }
    BackendDevice device;
    try {
      device = backend.open(0);
    } catch (RuntimeException | LinkageError e) {
      passOver(backend, "cannot be opened: " + LoadFailure.describe(e));
      return Optional.empty();
    }
    if (passed.contains(backend)) {
      problems.remove(backend);
      return Optional.of(device);
    }
    Optional<String> problem = SelfTest.run(device);
    if (problem.isEmpty()) {
      passed.add(backend);
      problems.remove(backend);
      return Optional.of(device);
    }
    failed.add(backend);
    passOver(backend, problem.get());
    try {
      device.close();
    } catch (RuntimeException | LinkageError e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "closing " + backend.name() + ": " + LoadFailure.describe(e));
    }
    return Optional.empty();
  }

  private void passOver(Backend backend, String why) {
    problems.put(backend, why);
    LOG.log(System.Logger.Level.WARNING, backend.name() + " is passed over: " + why);
  }

  Backend backend(String name) {
    for (Backend backend : backends) {
      if (backend.name().equals(name)) {
        return backend;
      }
    }
    throw new BackendUnavailableException(
        "there is no backend \""
            + name
            + "\": this version has "
            + backends.stream().map(Backend::name).collect(Collectors.joining(", ")),
        null);
  }
}
