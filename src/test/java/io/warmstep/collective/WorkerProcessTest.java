package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Workers that are processes: one that is killed, or hangs, beside two that go on. */
class WorkerProcessTest {
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
  private static List<CollectiveException> train(TcpEndpoint first, Duration limit)
      throws Exception {
    return Workers.all(
        2,
        rank -> {
          try (TcpEndpoint own =
                  rank == 0 ? first : TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0);
              Collective collective = own.limit(limit).meet(rank, 3, first.address(), "token")) {
            WorkerProcess.train(collective);
            throw new AssertionError("training has no end of its own");
          } catch (CollectiveException e) {
            return e;
          }
        });
  }

  @ParameterizedTest
  @EnumSource(value = WorkerProcess.End.class, names = "NOWHERE", mode = EnumSource.Mode.EXCLUDE)
  void aKilledWorkerIsMissedAtOnce(WorkerProcess.End end) throws Exception {
    try (TcpEndpoint first = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0)) {
      Process process = start(first, Workers.LIMIT, end);
      try {
        for (CollectiveException failure : train(first, Workers.LIMIT)) {
          assertInstanceOf(WorkerLostException.class, failure);
        }
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(137, process.exitValue());
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
        Thread stopper =
            new Thread(
                () -> {
                  try {
                    assertEquals("joined", said.readLine());
                    signal(process, "STOP");
                  } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                  }
                });
        stopper.start();
        List<CollectiveException> failures = train(first, limit);
        stopper.join();
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
