package io.warmstep.backend.cpu;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * A fixed number of threads that share the chunks of one job at a time; the calling thread is one
 * of them. Handing over a job allocates nothing. The caller waits only for chunks that another
 * thread has begun, so a thread that wakes late costs nothing, and a caller that finds the pool
 * busy with another's job runs all chunks itself.
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

  /** Spin iterations before a thread parks: about 20 to 50 microseconds. */
  private static final int SPINS = 1000;

  private final int threads;
  private final Worker[] workers;
  private final AtomicBoolean busy = new AtomicBoolean();

  /** Chunks of the present job that no thread has begun; the next to begin is one below. */
  private final AtomicInteger waiting = new AtomicInteger();

  /** Chunks of the present job that are not done. */
  private final AtomicInteger unfinished = new AtomicInteger();

  private volatile boolean closed;
  private volatile Thread sleepingCaller;
  private volatile Throwable failure;
  private Job job; // published by writing waiting, and kept until nothing is unfinished

  WorkerPool(int threads) {
    this(threads, Thread::start);
  }

  /** A pool whose threads are started in a way of its own; for tests. */
  WorkerPool(int threads, Consumer<Thread> starter) {
    this.threads = threads;
    this.workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
    }
    try {
      for (Worker worker : workers) {
        starter.accept(worker);
      }
    } catch (RuntimeException | Error e) { // the system may have no more threads
      close();
      throw e;
    }
  }

  int threads() {
    return threads;
  }

  /**
   * Runs all chunks, from the last on, and returns when they are done; throws what a chunk threw.
   */
  void run(Job job, int chunks) {
    int helpers = Math.min(workers.length, chunks - 1);
    if (helpers <= 0 || closed || !busy.compareAndSet(false, true)) {
      for (int chunk = chunks - 1; chunk >= 0; chunk--) {
        job.run(0, chunk);
      }
      return;
    }
    try {
      this.job = job;
      failure = null;
      unfinished.set(chunks);
      waiting.set(chunks - 1);
      for (int i = 0; i < helpers; i++) {
        workers[i].wake();
      }
      for (int chunk = chunks - 1; chunk >= 0; chunk = begin()) {
        runChunk(0, chunk);
      }
      awaitOthers();
      Throwable thrown = failure;
      if (thrown != null) {
        throw WorkerPool.<RuntimeException>asIs(thrown);
      }
    } finally {
      this.job = null;
      busy.set(false);
    }
  }

  /** Takes a chunk; the job cannot end, nor another begin, before the taker is done with it. */
  private int begin() {
    while (true) {
      int left = waiting.get();
      if (left == 0) {
        return -1;
      }
      if (waiting.compareAndSet(left, left - 1)) {
        return left - 1;
      }
    }
  }

  private void runChunk(int worker, int chunk) {
    int done = 1;
    try {
      job.run(worker, chunk);
    } catch (Throwable t) {
      failure = t;
      done += waiting.getAndSet(0); // the rest is given up
    }
    if (unfinished.addAndGet(-done) == 0) {
      Thread caller = sleepingCaller;
      if (caller != null) {
        LockSupport.unpark(caller);
      }
    }
  }

  private void awaitOthers() {
    for (int i = 0; unfinished.get() > 0; i++) {
      if (i < SPINS) {
        Thread.onSpinWait();
      } else {
        sleepingCaller = Thread.currentThread();
        if (unfinished.get() > 0) {
          LockSupport.park(this);
        }
        sleepingCaller = null;
      }
    }
  }

  /** Rules in other languages throw checked exceptions that the compiler does not know of. */
  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T extends Throwable> T asIs(Throwable t) throws T {
    throw (T) t;
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
    private volatile boolean asleep;

    /** Inherits no thread locals, which may refer to a device and would keep it. */
    Worker(int index) {
      super(null, null, "warmstep-cpu-" + index, 0, false);
      this.index = index;
      setDaemon(true);
    }

    void wake() {
      if (asleep) {
        LockSupport.unpark(this);
      }
    }

    @Override
    public void run() {
      for (int idle = 0; !closed; idle++) {
        int chunk = begin();
        if (chunk >= 0) {
          runChunk(index, chunk);
          idle = 0;
        } else if (idle < SPINS) {
          Thread.onSpinWait();
        } else {
          asleep = true;
          if (waiting.get() == 0 && !closed) {
            LockSupport.park(WorkerPool.this);
          }
          asleep = false;
        }
      }
    }
  }
}
