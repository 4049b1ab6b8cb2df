package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.natives.LoadFailure;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Chooses among backends. An accelerator is preferred to the processor if it passes the self-test,
 * which runs once; its findings are logged and added to the backend's report.
 */
final class DeviceSelector {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final List<Backend> backends;
  private final Map<Backend, String> problems = new ConcurrentHashMap<>();
  private final Set<Backend> passed = new HashSet<>();
  private final Set<Backend> failed = new HashSet<>();

  /**
   * Creates a selector.
   *
   * @param backends in any order
   */
  DeviceSelector(List<Backend> backends) {
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

  /** Adds the findings of the preferred device's test to its report. */
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
    Backend backend = backend(name.substring(0, colon));
    String which = name.substring(colon + 1);
    int index =
        which.matches("[0-9]{1,9}")
            ? Integer.parseInt(which)
            : indexOf(backend, name, which.toLowerCase(Locale.ROOT));
    return new Device(backend.open(DeviceOptions.of(index)));
  }

  /** The index of the one device whose UUID starts with the given prefix. */
  private static int indexOf(Backend backend, String name, String uuid) {
    List<DeviceReport> matching =
        backend.devices().stream()
            .filter(report -> !uuid.isEmpty())
            .filter(report -> report.uuid().toLowerCase(Locale.ROOT).startsWith(uuid))
            .toList();
    if (matching.size() != 1) {
      String given = "device is '" + name + "', ";
      throw matching.isEmpty()
          ? new IllegalArgumentException(
              given
                  + "must be a backend and the number or the UUID of a device, such as cuda:1;"
                  + " Devices.all() lists them")
          : new IllegalArgumentException(
              given
                  + "which is how the UUIDs of several begin: "
                  + matching.stream().map(DeviceReport::uuid).collect(Collectors.joining(", ")));
    }
    return matching.get(0).index();
  }

  Device fastest() {
    for (Backend backend : backends) {
      if (backend.isAccelerator()) {
        Optional<Device> device = openTested(backend);
        if (device.isPresent()) {
          return device.get();
        }
      }
    }
    return new Device(backends.get(backends.size() - 1).open(DeviceOptions.PREFERRED));
  }

  /**
   * Opens a device that passes the self-test. A device that fails it is not tried again; one that
   * cannot be opened is, since another program may hold it temporarily.
   */
  private synchronized Optional<Device> openTested(Backend backend) {
    if (failed.contains(backend)) {
      return Optional.empty();
    }
    Device device;
    try {
      device = new Device(backend.open(DeviceOptions.PREFERRED));
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

  private Optional<String> problem(Device device) {
    Backend java = backends.get(backends.size() - 1);
    try (Device reference = new Device(java.open(DeviceOptions.PREFERRED))) {
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
