package io.warmstep.testkit;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.stream.LongStream;

/** Counts the bytes that work allocates. */
public final class Allocations {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private static final int ATTEMPTS = 20;

  private Allocations() {}

  /**
   * Does work up to 20 times. A compilation or a class that is loaded late may allocate in passing;
   * what the work itself allocates shows each time.
   *
   * @param work what has been done before, so that it is compiled
   * @return the fewest bytes that it allocated in this thread and those of all devices together
   */
  public static long fewest(Runnable work) {
    long fewest = Long.MAX_VALUE;
    for (int attempt = 0; attempt < ATTEMPTS && fewest > 0; attempt++) {
      long[] threads = threads();
      long[] before = new long[threads.length];
      long[] after = new long[threads.length];
      read(threads, before);
      work.run();
      read(threads, after);
      fewest = Math.min(fewest, difference(before, after));
    }
    return fewest;
  }

  /**
   * What the calling thread has allocated so far. Allocates nothing.
   *
   * @return in bytes
   */
  public static long ofThisThread() {
    return THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
  }

  /** This thread and all that a device may have started. */
  private static long[] threads() {
    return LongStream.concat(
            LongStream.of(Thread.currentThread().getId()),
            Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("warmstep-"))
                .mapToLong(Thread::getId))
        .toArray();
  }

  /** Allocates nothing itself. */
  private static void read(long[] threads, long[] bytes) {
    for (int i = 0; i < threads.length; i++) {
      bytes[i] = THREADS.getThreadAllocatedBytes(threads[i]);
    }
  }

  /** Leaves out a thread of another device that has ended meanwhile. */
  private static long difference(long[] before, long[] after) {
    long sum = 0;
    for (int i = 0; i < before.length; i++) {
      sum += after[i] < 0 ? 0 : after[i] - before[i];
    }
    return sum;
  }
}
