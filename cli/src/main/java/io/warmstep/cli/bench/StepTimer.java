package io.warmstep.cli.bench;

import com.sun.management.ThreadMXBean;
import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.Optimizer;
import java.lang.management.ManagementFactory;

/** Times steps of an optimizer, with the micro-batches before them. */
public final class StepTimer implements AutoCloseable {
  /** Few enough that no driver makes a step wait for room in its queue. */
  private static final int QUEUED_STEPS = 100;

  /** Steps that a CUDA device takes without the host's wait where it decides on them itself. */
  private static final int STEPS_AHEAD = 16;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final Runnable step;
  private final DeviceTimer timer;

  /** Where a call returns before its step is done, only calls that find room are timed. */
  private final int mostCalls;

  private final long[] stepThreads = stepThreads();

  /** What is done now and then without being timed, and before how many steps. */
  private final Runnable preparation;

  private final int prepared;

  StepTimer(Device device, StepWork work, Optimizer optimizer) {
    this(device, work, optimizer, () -> {}, Integer.MAX_VALUE);
  }

  /** Does something that is not timed before the first of so many steps. */
  StepTimer(Device device, StepWork work, Optimizer optimizer, Runnable preparation, int prepared) {
    this.step = work.step(optimizer);
    this.preparation = preparation;
    this.prepared = prepared;
    this.timer = device.timer();
    this.mostCalls = device.isAccelerator() ? mostCalls(work) : Integer.MAX_VALUE;
  }

  private static int mostCalls(StepWork work) {
    return work.isFull() || work.isCaptured()
        ? STEPS_AHEAD
        : Math.max(1, QUEUED_STEPS / work.microBatches());
  }

  /**
   * Times of one step.
   *
   * @param millis on the device
   * @param hostMicros until {@code step()} returns, after micro-batches that were accumulated: on
   *     the processor the step itself, elsewhere the work of handing it to the driver
   * @param bytesAllocated on the Java heap, by all threads
   */
  public record Time(double millis, double hostMicros, double bytesAllocated) {}

  /**
   * Steps, and waits until the device has done so.
   *
   * @param count how often, at least 1
   * @return the mean of one
   */
  Time time(int count) {
    double millis = 0;
    double hostMicros = 0;
    double allocated = 0;
    for (int left = count; left > 0; left -= prepared) {
      preparation.run();
      int steps = Math.min(left, prepared);
      Time part = timeTogether(steps);
      millis += part.millis() * steps;
      hostMicros += part.hostMicros() * steps;
      allocated += part.bytesAllocated() * steps;
    }
    return new Time(millis / count, hostMicros / count, allocated / count);
  }

  private Time timeTogether(int count) {
    int calls = Math.min(count, mostCalls);
    timer.start();
    long before = allocatedBytes(stepThreads);
    long begin = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      step.run();
    }
    long end = System.nanoTime();
    for (int i = calls; i < count; i++) {
      step.run();
    }
    long after = allocatedBytes(stepThreads);
    timer.stop();
    return new Time(
        timer.millis() / count, (end - begin) / 1e3 / calls, (double) (after - before) / count);
  }

  @Override
  public void close() {
    timer.close();
  }

  /** The threads that run steps: this one and the device's. */
  private static long[] stepThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("warmstep-") || isCurrent(thread))
        .mapToLong(Thread::getId)
        .toArray();
  }

  private static boolean isCurrent(Thread thread) {
    return thread == Thread.currentThread();
  }

  /** By some threads since each began; reading it allocates nothing. */
  private static long allocatedBytes(long[] threadIds) {
    long sum = 0;
    for (long id : threadIds) {
      sum += THREADS.getThreadAllocatedBytes(id);
    }
    return sum;
  }
}
