package io.warmstep.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkerPoolTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void everyChunkRunsOnceWhateverTheirNumber(int threads) {
    try (WorkerPool pool = new WorkerPool(threads)) {
      assertEquals(threads, pool.threads());
      for (int chunks = 0; chunks < 200; chunks++) {
        AtomicIntegerArray runs = new AtomicIntegerArray(chunks);
        pool.run(
            (worker, chunk) -> {
              assertTrue(worker >= 0 && worker < threads);
              runs.incrementAndGet(chunk);
            },
            chunks);
        for (int i = 0; i < chunks; i++) {
          assertEquals(1, runs.get(i), "chunk " + i + " of " + chunks);
        }
      }
    }
  }

  @Test
  void aWorkerRunsOneChunkAtATime() {
    int threads = 4;
    AtomicIntegerArray inside = new AtomicIntegerArray(threads);
    try (WorkerPool pool = new WorkerPool(threads)) {
      for (int repeat = 0; repeat < 200; repeat++) {
        pool.run(
            (worker, chunk) -> {
              assertEquals(1, inside.incrementAndGet(worker));
              Thread.onSpinWait();
              inside.decrementAndGet(worker);
            },
            50);
      }
    }
  }

  @Test
  void otherThreadsHelp() {
    // A chunk that waits for another to begin ends only if two threads run chunks.
    CountDownLatch both = new CountDownLatch(2);
    Set<Integer> workers = ConcurrentHashMap.newKeySet();
    try (WorkerPool pool = new WorkerPool(2)) {
      pool.run(
          (worker, chunk) -> {
            workers.add(worker);
            both.countDown();
            awaitQuietly(both);
          },
          2);
    }
    assertEquals(Set.of(0, 1), workers);
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      assertTrue(latch.await(20, TimeUnit.SECONDS), "no other thread came");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void whatAChunkThrowsReachesTheCallerAndThePoolLivesOn(int threads) {
    try (WorkerPool pool = new WorkerPool(threads)) {
      for (int bad = 0; bad < 20; bad++) {
        int failing = bad;
        IllegalStateException thrown = new IllegalStateException("chunk " + bad);
        RuntimeException caught =
            assertThrows(
                RuntimeException.class,
                () ->
                    pool.run(
                        (worker, chunk) -> {
                          if (chunk == failing) {
                            throw thrown;
                          }
                        },
                        20));
        assertSame(thrown, caught);
        AtomicIntegerArray runs = new AtomicIntegerArray(20);
        pool.run((worker, chunk) -> runs.incrementAndGet(chunk), 20);
        for (int i = 0; i < 20; i++) {
          assertEquals(1, runs.get(i));
        }
      }
      assertThrows(
          StackOverflowError.class,
          () ->
              pool.run(
                  (worker, chunk) -> {
                    throw new StackOverflowError();
                  },
                  5));
    }
  }

  /** Rules in Kotlin or Scala may throw checked exceptions that Java does not know of. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aCheckedExceptionIsNotSwallowed(int threads) {
    IOException thrown = new IOException("undeclared");
    try (WorkerPool pool = new WorkerPool(threads)) {
      Throwable caught =
          assertThrows(
              Throwable.class, () -> pool.run((worker, chunk) -> throwUndeclared(thrown), 8));
      assertSame(thrown, caught);
    }
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T extends Throwable> void throwUndeclared(Throwable t) throws T {
    throw (T) t;
  }

  @Test
  void manyCallersShareAPool() throws InterruptedException {
    List<Thread> callers = new ArrayList<>();
    Set<Throwable> failures = ConcurrentHashMap.newKeySet();
    try (WorkerPool pool = new WorkerPool(3)) {
      for (int t = 0; t < 6; t++) {
        Thread caller =
            new Thread(
                () -> {
                  for (int repeat = 0; repeat < 500; repeat++) {
                    AtomicIntegerArray runs = new AtomicIntegerArray(11);
                    pool.run((worker, chunk) -> runs.incrementAndGet(chunk), 11);
                    for (int i = 0; i < 11; i++) {
                      assertEquals(1, runs.get(i));
                    }
                  }
                });
        caller.setUncaughtExceptionHandler((thread, e) -> failures.add(e));
        callers.add(caller);
        caller.start();
      }
      for (Thread caller : callers) {
        caller.join();
      }
    }
    assertEquals(Set.of(), failures);
  }

  @Test
  void aJobMayRunAnother() {
    try (WorkerPool pool = new WorkerPool(2)) {
      AtomicIntegerArray runs = new AtomicIntegerArray(9);
      pool.run(
          (worker, outer) -> pool.run((inner, chunk) -> runs.incrementAndGet(3 * outer + chunk), 3),
          3);
      for (int i = 0; i < 9; i++) {
        assertEquals(1, runs.get(i));
      }
    }
  }

  @Test
  void anInterruptedCallerStillFinishes() {
    try (WorkerPool pool = new WorkerPool(2)) {
      AtomicIntegerArray runs = new AtomicIntegerArray(40);
      Thread.currentThread().interrupt();
      pool.run((worker, chunk) -> runs.incrementAndGet(chunk), 40);
      assertTrue(Thread.interrupted(), "the interrupt is kept");
      for (int i = 0; i < 40; i++) {
        assertEquals(1, runs.get(i));
      }
    }
  }

  @Test
  void closingEndsTheThreadsAndTwiceIsFine() throws InterruptedException {
    WorkerPool pool = new WorkerPool(3);
    Set<Thread> helpers = ConcurrentHashMap.newKeySet();
    CountDownLatch all = new CountDownLatch(3);
    pool.run(
        (worker, chunk) -> {
          if (worker > 0) {
            helpers.add(Thread.currentThread());
          }
          all.countDown();
          awaitQuietly(all);
        },
        3);
    assertEquals(2, helpers.size());
    pool.close();
    pool.close();
    for (Thread helper : helpers) {
      helper.join(20_000);
      assertFalse(helper.isAlive(), helper + " goes on after close");
    }
    AtomicIntegerArray runs = new AtomicIntegerArray(5);
    pool.run((worker, chunk) -> runs.incrementAndGet(chunk), 5);
    assertEquals("[1, 1, 1, 1, 1]", runs.toString(), "a job after close runs in the caller");
  }

  @Test
  void threadsThatStartedEndIfAnotherDoesNot() throws InterruptedException {
    List<Thread> started = new ArrayList<>();
    OutOfMemoryError none = new OutOfMemoryError("unable to create native thread");
    OutOfMemoryError thrown =
        assertThrows(
            OutOfMemoryError.class,
            () ->
                new WorkerPool(
                    5,
                    thread -> {
                      if (started.size() == 2) {
                        throw none;
                      }
                      thread.start();
                      started.add(thread);
                    }));
    assertSame(none, thrown);
    assertEquals(2, started.size());
    for (Thread thread : started) {
      thread.join(20_000);
      assertFalse(thread.isAlive(), thread + " goes on");
    }
  }

  @Test
  void closingWhileJobsRunHangsNobody() {
    assertTimeoutPreemptively(
        Duration.ofSeconds(40),
        () -> {
          for (int repeat = 0; repeat < 300; repeat++) {
            WorkerPool pool = new WorkerPool(3);
            AtomicBoolean stop = new AtomicBoolean();
            Thread closer =
                new Thread(
                    () -> {
                      pool.close();
                      stop.set(true);
                    });
            closer.start();
            AtomicIntegerArray runs = new AtomicIntegerArray(7);
            int jobs = 0;
            while (!stop.get() || jobs == 0) {
              pool.run((worker, chunk) -> runs.incrementAndGet(chunk), 7);
              jobs++;
            }
            for (int i = 0; i < 7; i++) {
              assertEquals(jobs, runs.get(i));
            }
            closer.join();
          }
        });
  }
}
