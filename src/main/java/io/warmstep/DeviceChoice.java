package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.SelfTest;
import io.warmstep.natives.LoadFailure;
import java.util.Comparator;
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
   * @param backends in any order
   */
  DeviceChoice(List<Backend> backends) {
    if (backends.isEmpty()) {
      throw new IllegalStateException(
          "no backend of Warmstep was found, not even the processor's: the jar lacks"
              + " META-INF/services/io.warmstep.backend.Backend; if it was made of several jars, have"
              + " their service files merged");
    }
    this.backends =
        backends.stream().sorted(Comparator.comparingInt(Backend::preference).reversed()).toList();
  }

  List<DeviceReport> report() {
    return backends.stream().map(this::report).toList();
  }

  private DeviceReport report(Backend backend) {
    return withProblem(backend, backend.report());
  }

  /** What was found when the preferred device was tested joins its report. */
  private DeviceReport withProblem(Backend backend, DeviceReport report) {
    String problem = problems.get(backend);
    return problem == null ? report : report.inexact(problem);
  }

  List<DeviceReport> all() {
    return backends.stream()
        .flatMap(
            backend -> {
              int preferred = backend.report().index();
              return backend.devices().stream()
                  .map(
                      device ->
                          device.index() == preferred ? withProblem(backend, device) : device);
            })
        .toList();
  }

  Device require(String name) {
    int colon = name.indexOf(':');
    if (colon < 0) {
      return new Device(backend(name).open(DeviceOptions.PREFERRED));
    }
    String number = name.substring(colon + 1);
    if (!number.matches("[0-9]{1,9}")) {
      throw new IllegalArgumentException(
          "device is '"
              + name
              + "', must be a backend and the number of a device, such as cuda:1; Devices.all()"
              + " lists them");
    }
    Backend backend = backend(name.substring(0, colon));
    return new Device(backend.open(DeviceOptions.of(Integer.parseInt(number))));
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
    return new Device(backends.get(backends.size() - 1).open(DeviceOptions.PREFERRED));
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
      device = backend.open(DeviceOptions.PREFERRED);
    } catch (RuntimeException | LinkageError e) {
      skip(backend, "cannot be opened: " + LoadFailure.describe(e));
      return Optional.empty();
    }
    if (passed.contains(backend)) {
      problems.remove(backend);
      return Optional.of(device);
    }
    Optional<String> problem = problem(device);
    if (problem.isEmpty()) {
      passed.add(backend);
      problems.remove(backend);
      return Optional.of(device);
    }
    failed.add(backend);
    skip(backend, problem.get());
    try {
      device.close();
    } catch (RuntimeException | LinkageError e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "closing " + backend.name() + ": " + LoadFailure.describe(e));
    }
    return Optional.empty();
  }

  private Optional<String> problem(BackendDevice device) {
    Backend java = backends.get(backends.size() - 1);
    try (BackendDevice reference = java.open(DeviceOptions.PREFERRED)) {
      return SelfTest.run(device, reference);
    }
  }

  private void skip(Backend backend, String why) {
    problems.put(backend, why);
    LOG.log(System.Logger.Level.WARNING, backend.name() + " is skipped: " + why);
  }

  Backend backend(String name) {
    for (Backend backend : backends) {
      if (backend.name().equals(name)) {
        return backend;
      }
    }
    throw new BackendUnavailableException(
        "there is no backend '"
            + name
            + "': this version has "
            + backends.stream().map(Backend::name).collect(Collectors.joining(", ")),
        null);
  }
}
