package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Tensor;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the others see of a worker that fails. */
class CollectiveFaultTest {
  private static final Duration SHORT = Duration.ofMillis(500);

  /** Beside the limit, since the machine may be busy. */
  private static final Duration SLACK = Duration.ofSeconds(40);

  @ParameterizedTest
  @EnumSource(Workers.class)
  void aWorkerThatLeavesIsMissed(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            3,
            Workers.LIMIT,
            collective -> {
              collective.barrier();
              if (collective.rank() == 1) {
                return null; // and its collective is closed
              }
              collective.barrier();
              return null;
            });
    assertNull(failures.get(1));
    for (int rank : new int[] {0, 2}) {
      assertInstanceOf(WorkerLostException.class, failures.get(rank));
      assertTrue(
          failures.get(rank).getMessage().contains("worker"), failures.get(rank).getMessage());
    }
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void aWorkerThatHangsIsNamed(Workers workers) throws Exception {
    CountDownLatch others = new CountDownLatch(2);
    List<Exception> failures =
        workers.failures(
            3,
            SHORT,
            collective -> {
              if (collective.rank() == 2) {
                others.await();
              } else {
                long start = System.nanoTime();
                try {
                  collective.barrier();
                } finally {
                  others.countDown();
                  Duration took = Duration.ofNanos(System.nanoTime() - start);
                  assertTrue(took.compareTo(SHORT.plus(SLACK)) < 0, "it took " + took);
                }
              }
              return null;
            });
    boolean isTimeout = false;
    for (int rank : new int[] {0, 1}) {
      assertInstanceOf(CollectiveException.class, failures.get(rank));
      isTimeout |= failures.get(rank) instanceof CollectiveTimeoutException;
      assertTrue(
          failures.get(rank).getMessage().contains("waited for worker 2"),
          failures.get(rank).getMessage());
    }
    assertTrue(isTimeout);
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void afterAFailureNothingFollows(Workers workers) throws Exception {
    workers.run(
        2,
        SHORT,
        collective -> {
          if (collective.rank() == 0) {
            CollectiveException first =
                assertThrows(CollectiveException.class, collective::barrier);
            CollectiveException second =
                assertThrows(CollectiveException.class, collective::barrier);
            assertTrue(second.getMessage().startsWith("an earlier operation"), second.getMessage());
            assertEquals(first, second.getCause());
          }
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void differentOperationsAreFound(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            2,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu();
                  Tensor tensor = device.copyOf(new float[] {1, 2})) {
                if (collective.rank() == 0) {
                  collective.reduceScatter(
                      List.of(new Share(tensor, 0), new Share(tensor.slice(0, 1), 1)));
                } else {
                  collective.barrier();
                }
              }
              return null;
            });
    assertTrue(failures.stream().anyMatch(WorkersDifferException.class::isInstance));
    failures.forEach(failure -> assertInstanceOf(CollectiveException.class, failure));
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void differentLengthsAreFound(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            2,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu();
                  Tensor tensor = device.copyOf(new float[20 + collective.rank()])) {
                collective.broadcast(tensor, 0);
                collective.barrier();
              }
              return null;
            });
    assertTrue(failures.stream().anyMatch(WorkersDifferException.class::isInstance));
    failures.forEach(failure -> assertInstanceOf(CollectiveException.class, failure));
    assertTrue(
        failures.stream().anyMatch(failure -> failure.getMessage().contains("other tensors")));
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void closingEndsAnOperationOfAnotherThread(Workers workers) throws Exception {
    List<Collective> collectives = workers.open(2, Workers.LIMIT);
    Thread closer =
        new Thread(
            () -> {
              try {
                Thread.sleep(100);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              collectives.get(0).close();
            });
    closer.start();
    assertThrows(ClosedException.class, () -> collectives.get(0).barrier());
    closer.join();
    assertThrows(CollectiveException.class, () -> barriers(collectives.get(1)));
    collectives.get(1).close();
  }

  /** The other had come to the first, if to any. */
  private static void barriers(Collective collective) {
    collective.barrier();
    collective.barrier();
  }

  @Test
  void useAfterCloseIsRefused() {
    Collective alone = Collectives.alone();
    alone.close();
    alone.close();
    assertThrows(ClosedException.class, alone::barrier);
  }
}
