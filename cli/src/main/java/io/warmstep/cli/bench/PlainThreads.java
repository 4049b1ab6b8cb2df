package io.warmstep.cli.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads that share passes over arrays, each with a range of its own, and meet after each pass, as
 * those of a step do. The caller is one of them.
 */
final class PlainThreads implements AutoCloseable {
  private static final int PROBES = 10;
  private static final int PROBED_ELEMENTS = 1_000_000;

  private final int length;
  private final Pass pass;
  private final ExecutorService executor;
  private int threads;
  private final AtomicInteger arrived = new AtomicInteger();
  private final AtomicInteger passes = new AtomicInteger();

  /** What a thread does in a pass. */
  interface Pass {
    void over(int from, int to);
  }

  /**
   * Starts the threads.
   *
   * @param length count of elements
   * @param threads how many share a pass, at least 1
   * @param pass over a range of elements
   */
  PlainThreads(int length, int threads, Pass pass) {
    this.length = length;
    this.threads = threads;
    this.pass = pass;
    this.executor =
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            task -> {
              Thread thread = new Thread(task, "plain-loop");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Takes all threads or one, whichever is faster: to meet takes longer than a pass over little.
   */
  void takeFastest() throws InterruptedException {
    int most = threads;
    if (most > 1) {
      double all = nanosPerPass(most);
      double one = nanosPerPass(1);
      threads = all <= one ? most : 1;
    }
  }

  /** The least time of a pass with a number of threads, after passes that only warm up. */
  private double nanosPerPass(int count) throws InterruptedException {
    threads = count;
    int times = Math.max(1, PROBED_ELEMENTS / Math.max(length, 1));
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < PROBES; i++) {
      long begin = System.nanoTime();
      run(times);
      double nanos = (double) (System.nanoTime() - begin) / times;
      if (i >= PROBES / 2) {
        least = Math.min(least, nanos);
      }
    }
    return least;
  }

  /** Passes over all elements a number of times. */
  void run(int times) throws InterruptedException {
    List<Future<?>> shares = new ArrayList<>();
    for (int i = 1; i < threads; i++) {
      int share = i;
      shares.add(executor.submit(() -> repeat(start(share), start(share + 1), times)));
    }
    repeat(0, start(1), times);
    for (Future<?> share : shares) {
      try {
        share.get();
      } catch (ExecutionException e) {
        throw new IllegalStateException("the plain loop failed", e.getCause());
      }
    }
  }

  /** The first element of a thread's share. */
  private int start(int thread) {
    return (int) ((long) length * thread / threads);
  }

  private void repeat(int from, int to, int times) {
    for (int i = 0; i < times; i++) {
      pass.over(from, to);
      meet();
    }
  }

  /** Yielding matters only where there are more threads than processors. */
  @SuppressWarnings("ThreadPriorityCheck")
  private void meet() {
    int current = passes.get();
    if (arrived.incrementAndGet() == threads) {
      arrived.set(0);
      passes.incrementAndGet();
      return;
    }
    for (int spins = 0; passes.get() == current; spins++) {
      if (spins < 1000) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
