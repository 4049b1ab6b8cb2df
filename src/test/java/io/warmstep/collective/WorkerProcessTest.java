package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Workers that are processes: one that is killed, or hangs, beside two that go on. */
class WorkerProcessTest {
  /** Beside a limit, since the machine may be busy. */
  private static final Duration SLACK = Duration.ofSeconds(40);

  /** How a worker's training ended, when, and with what parameters. */
  private record End(CollectiveException failure, long nanos, float[] values) {}

  private static void assertWithin(Duration limit, long since, List<End> ends) {
    for (End end : ends) {
      Duration took = Duration.ofNanos(end.nanos() - since);
      assertTrue(took.compareTo(limit.plus(SLACK)) < 0, "a worker took " + took);
    }
  }

  private static Process start(TcpEndpoint first, Duration limit, WorkerProcess.End end)
      throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xshare:auto",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            WorkerProcess.class.getName(),
            "2",
            "3",
            first.address(),
            Long.toString(limit.toMillis()),
            end.name())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  /** What the two workers of this process end with. */
  private static List<End> train(TcpEndpoint first, Duration limit) throws Exception {
    return Workers.all(
        2,
        rank -> {
          AtomicReference<float[]> left = new AtomicReference<>();
          try (TcpEndpoint own =
                  rank == 0 ? first : TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0);
              Collective collective = own.limit(limit).meet(rank, 3, first.address(), "token")) {
            WorkerProcess.train(collective, left::set);
            throw new AssertionError("training has no end of its own");
          } catch (CollectiveException e) {
            return new End(e, System.nanoTime(), left.get());
          }
        });
  }

  @ParameterizedTest
  @EnumSource(value = WorkerProcess.End.class, names = "NOWHERE", mode = EnumSource.Mode.EXCLUDE)
  void aKilledWorkerIsMissedAtOnce(WorkerProcess.End end) throws Exception {
    try (TcpEndpoint first = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0)) {
      Process process = start(first, Workers.LIMIT, end);
      CompletableFuture<Long> killed = process.onExit().thenApply(gone -> System.nanoTime());
      try {
        List<End> ends = train(first, Workers.LIMIT);
        // Nobody had to wait for the limit, which would be a CollectiveTimeoutException.
        ends.forEach(its -> assertInstanceOf(WorkerLostException.class, its.failure()));
        assertWithin(Duration.ZERO, killed.get(60, TimeUnit.SECONDS), ends);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(137, process.exitValue());
        if (end == WorkerProcess.End.CONFIRMATION) { // nobody steps alone, nor is one left behind
          float[] values = ends.get(0).values();
          assertArrayEquals(values, ends.get(1).values());
          for (float value : values) {
            assertEquals(-3e-3f, value, 1e-4f, "after three steps of about 0.001 each");
          }
        }
      } finally {
        process.destroyForcibly();
      }
    }
  }

  @Test
  void aStoppedWorkerIsWaitedForNoLongerThanTheLimit() throws Exception {
    Duration limit = Duration.ofSeconds(8); // ample to start and join
    try (TcpEndpoint first = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0)) {
      Process process = start(first, limit, WorkerProcess.End.NOWHERE);
      try (BufferedReader said = process.inputReader()) {
        AtomicLong stopped = new AtomicLong();
        Thread stopper =
            new Thread(
                () -> {
                  try {
                    assertEquals("joined", said.readLine());
                    signal(process, "STOP");
                    stopped.set(System.nanoTime());
                  } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                  }
                });
        stopper.start();
        List<End> ends = train(first, limit);
        stopper.join();
        assertWithin(limit, stopped.get(), ends);
        List<CollectiveException> failures = ends.stream().map(End::failure).toList();
        assertTrue(
            failures.stream().anyMatch(CollectiveTimeoutException.class::isInstance),
            failures.toString());
        assertTrue(
            failures.stream().allMatch(failure -> failure.getMessage().contains("worker 2")),
            failures.toString());
        signal(process, "CONT");
        String end = said.readLine();
        assertTrue(
            List.of("WorkerLostException", "CollectiveTimeoutException").contains(end),
            "the stopped worker ended with " + end);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());
      } finally {
        process.destroyForcibly();
      }
    }
  }

  private static void signal(Process process, String signal)
      throws IOException, InterruptedException {
    assertEquals(
        0,
        new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
            .inheritIO()
            .start()
            .waitFor());
  }
}
