package io.warmstep.backend.cpu;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed number of threads that share the chunks of one job at a time; the calling thread is one
 * of them. Handing over a job allocates nothing. A caller that finds the pool busy with another's
 * job runs all chunks itself, so nobody waits for a job that is not their own.
 */
final class WorkerPool implements AutoCloseable {
  /** Work in independent chunks. */
  interface Job {
    /**
     * Runs one chunk.
     *
     * @param worker which of the threads runs it, from 0 to below the pool's number of threads
     * @param chunk its number
     */
    void run(int worker, int chunk);
  }

  /** Turns of waiting before a thread goes to sleep: about 20 to 50 microseconds. */
  private static final int SPINS = 1000;

  private final int threads;
  private final Worker[] workers;
  private final AtomicBoolean busy = new AtomicBoolean();
  private final AtomicInteger nextChunk = new AtomicInteger();
  private final AtomicInteger unfinished = new AtomicInteger();
  private volatile boolean closed;
  private volatile Thread waitingCaller;
  private volatile Throwable failure;
  private Job job;
  private int chunks;

  WorkerPool(int threads) {
    this.threads = threads;
    this.workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
      workers[i].start();
    }
  }

  int threads() {
    return threads;
  }

  /** Runs all chunks and returns when they are done; throws what a chunk threw. */
  void run(Job job, int chunks) {
    int helpers = Math.min(workers.length, chunks - 1);
    if (helpers <= 0 || closed || !busy.compareAndSet(false, true)) {
      for (int chunk = 0; chunk < chunks; chunk++) {
        job.run(0, chunk);
      }
      return;
    }
    try {
      this.job = job;
      this.chunks = chunks;
      failure = null;
      nextChunk.set(helpers + 1);
      unfinished.set(helpers);
      for (int i = 0; i < helpers; i++) {
        workers[i].wake();
      }
      runChunks(0);
      awaitHelpers();
      rethrow(failure);
    } finally {
      this.job = null;
      busy.set(false);
    }
  }

  /**
   * A thread's own chunk first, which keeps data in its cache from step to step, then what is left.
   */
  private void runChunks(int worker) {
    try {
      for (int chunk = worker; chunk < chunks; chunk = nextChunk.getAndIncrement()) {
        job.run(worker, chunk);
      }
    } catch (Throwable t) {
      failure = t;
      nextChunk.set(chunks); // the rest is not started; enough room is left to count on
    }
  }

  private void awaitHelpers() {
    for (int i = 0; unfinished.get() > 0; i++) {
      if (i < SPINS) {
        Thread.onSpinWait();
      } else {
        waitingCaller = Thread.currentThread();
        if (unfinished.get() > 0) {
          LockSupport.park(this);
        }
        waitingCaller = null;
      }
    }
  }

  private static void rethrow(Throwable t) {
    if (t instanceof RuntimeException e) {
      throw e;
    }
    if (t instanceof Error e) {
      throw e;
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Worker worker : workers) {
      LockSupport.unpark(worker);
    }
  }

  private final class Worker extends Thread {
    private final int index;
    private volatile boolean hasWork;
    private volatile boolean asleep;

    Worker(int index) {
      super("warmstep-cpu-" + index);
      this.index = index;
      setDaemon(true);
    }

    void wake() {
      hasWork = true;
      if (asleep) {
        LockSupport.unpark(this);
      }
    }

    @Override
    public void run() {
      while (awaitWork()) {
        hasWork = false;
        runChunks(index);
        if (unfinished.decrementAndGet() == 0) {
          LockSupport.unpark(waitingCaller);
        }
      }
    }

    private boolean awaitWork() {
      for (int i = 0; !hasWork; i++) {
        if (closed) {
          return false;
        }
        if (i < SPINS) {
          Thread.onSpinWait();
        } else {
          asleep = true;
          if (!hasWork && !closed) {
            LockSupport.park(WorkerPool.this);
          }
          asleep = false;
        }
      }
      return true;
    }
  }
}
