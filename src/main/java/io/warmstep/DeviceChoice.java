package io.warmstep;

import io.warmstep.backend.Backend;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.BackendReport;
import io.warmstep.backend.SelfTest;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Chooses among backends. An accelerator is preferred to the processor if it passes the self-test,
 * which it takes once; what that found is logged and joins the backend's report.
 */
final class DeviceChoice {
  private static final System.Logger LOG = System.getLogger("io.warmstep");

  private final List<Backend> backends;
  private final Map<Backend, Optional<String>> problems = new ConcurrentHashMap<>();

  /**
   * A choice.
   *
   * @param backends in order of preference; the last is the processor
   */
  DeviceChoice(List<Backend> backends) {
    this.backends = List.copyOf(backends);
  }

  List<BackendReport> report() {
    return backends.stream().map(this::report).toList();
  }

  private BackendReport report(Backend backend) {
    BackendReport report = backend.report();
    return problems
        .getOrDefault(backend, Optional.empty())
        .map(
            problem ->
                new BackendReport(
                    report.backend(),
                    report.usable(),
                    report.device(),
                    report.driver(),
                    report.memoryBytes(),
                    false,
                    problem))
        .orElse(report);
  }

  Device fastest() {
    for (Backend backend : backends) {
      if (backend.isAccelerator() && passes(backend)) {
        return new Device(backend.open(0));
      }
    }
    return new Device(backends.get(backends.size() - 1).open(0));
  }

  private boolean passes(Backend backend) {
    return problems.computeIfAbsent(backend, DeviceChoice::problem).isEmpty();
  }

  private static Optional<String> problem(Backend backend) {
    Optional<String> problem;
    try (BackendDevice device = backend.open(0)) {
      problem = SelfTest.run(device);
    } catch (WarmstepException e) {
      problem = Optional.of(e.getMessage());
    }
    problem.ifPresent(
        what -> LOG.log(System.Logger.Level.WARNING, backend.name() + " is passed over: " + what));
    return problem;
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
