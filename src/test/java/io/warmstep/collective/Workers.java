package io.warmstep.collective;

import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Runs each worker in a thread of its own, over either transport. */
public enum Workers {
  IN_PROCESS {
    @Override
    List<Collective> open(int size, Duration limit) {
      return Collectives.inProcess(size, limit);
    }
  },
  TCP {
    @Override
    List<Collective> open(int size, Duration limit) throws Exception {
      List<TcpEndpoint> endpoints = new ArrayList<>();
      for (int rank = 0; rank < size; rank++) {
        endpoints.add(TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(limit));
      }
      List<String> addresses = endpoints.stream().map(TcpEndpoint::address).toList();
      return all(size, rank -> endpoints.get(rank).join(rank, addresses, "token"));
    }
  };

  /** What a worker does. */
  public interface Work<T> {
    T run(Collective collective) throws Exception;
  }

  interface Ranked<T> {
    T run(int rank) throws Exception;
  }

  /** Ample, since the machine may be busy. */
  static final Duration LIMIT = Duration.ofSeconds(60);

  abstract List<Collective> open(int size, Duration limit) throws Exception;

  /** What each worker's work gives, by rank. */
  public <T> List<T> run(int size, Work<T> work) throws Exception {
    return run(size, LIMIT, work);
  }

  <T> List<T> run(int size, Duration limit, Work<T> work) throws Exception {
    List<Collective> collectives = open(size, limit);
    try {
      return all(
          size,
          rank -> {
            try (Collective own = collectives.get(rank)) {
              return work.run(own);
            }
          });
    } finally {
      collectives.forEach(Collective::close);
    }
  }

  /** What each worker throws, by rank; null for one that throws nothing. */
  List<Exception> failures(int size, Duration limit, Work<?> work) throws Exception {
    return run(
            size,
            limit,
            collective -> {
              try {
                work.run(collective);
                return new Exception[1];
              } catch (Exception e) {
                return new Exception[] {e};
              }
            })
        .stream()
        .map(thrown -> thrown[0])
        .toList();
  }

  static <T> List<T> all(int size, Ranked<T> work) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(size);
    try {
      List<Callable<T>> calls = new ArrayList<>();
      for (int rank = 0; rank < size; rank++) {
        int own = rank;
        calls.add(() -> work.run(own));
      }
      List<T> results = new ArrayList<>();
      List<Exception> failures = new ArrayList<>();
      for (Future<T> result : threads.invokeAll(calls, 120, TimeUnit.SECONDS)) {
        try {
          results.add(result.get());
        } catch (ExecutionException e) {
          failures.add(e.getCause() instanceof Exception cause ? cause : e);
        }
      }
      if (!failures.isEmpty()) {
        throw withReason(failures);
      }
      return results;
    } finally {
      threads.shutdownNow();
    }
  }

  /** The first failure that is not the loss of another worker; the others are suppressed in it. */
  private static Exception withReason(List<Exception> failures) {
    Exception first =
        failures.stream()
            .filter(e -> !(e instanceof WorkerLostException))
            .findFirst()
            .orElse(failures.get(0));
    failures.stream().filter(e -> e != first).forEach(first::addSuppressed);
    return first;
  }
}
