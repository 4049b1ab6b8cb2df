package io.warmstep.cli.bench;

import com.sun.management.ThreadMXBean;
import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.rule.UpdateRule;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Measures a step in turn with what memory allows: on the processor {@link PlainLoop}, on a GPU a
 * copy within its memory. Rounds of both, back to back, so that the ratio holds when the machine's
 * speed drifts.
 */
public final class StepBenchmark {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final int ROUNDS = 15;
  private static final int WARM_UP_ROUNDS = 5;

  /** Steps a round take at least this long. */
  private static final double ROUND_NANOS = 50e6;

  /** Few enough that no driver makes a step wait for room in its queue. */
  static final int QUEUED_STEPS = 100;

  private StepBenchmark() {}

  /**
   * What was measured.
   *
   * @param millisPerStep median over the rounds
   * @param gigabytesPerSecond by the fewest bytes that the rule must read and write, of 10^9
   * @param ceiling what the ceiling is
   * @param fractionOfCeiling median over the rounds of the ceiling's time divided by the step's
   * @param hostMicrosPerStep median over the rounds of the time until {@code step()} returns, which
   *     on a GPU is before the device has done the step
   * @param bytesAllocatedPerStep on the Java heap, by all threads
   */
  public record Result(
      double millisPerStep,
      double gigabytesPerSecond,
      String ceiling,
      double fractionOfCeiling,
      double hostMicrosPerStep,
      double bytesAllocatedPerStep) {}

  /**
   * Runs the measurement; takes a few seconds.
   *
   * @param device where
   * @param threads how many the plain loop uses, as many as the device if that is the processor
   * @param rule measured
   * @param type of parameters and gradients
   * @param lengths of the tensors
   * @return the result
   * @throws InterruptedException if the thread is interrupted
   */
  public static Result run(
      Device device, int threads, UpdateRule rule, ElementType type, List<Long> lengths)
      throws InterruptedException {
    long total = lengths.stream().mapToLong(Long::longValue).sum();
    int slots = rule.stateSlots().size();
    try (Parameters parameters = parameters(device, type, lengths);
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1e-3).build();
        Ceiling ceiling = ceiling(device, threads, type, total, slots);
        DeviceTimer timer = device.timer()) {
      return measure(device, timer, optimizer, ceiling, total * bytesPerElement(type, slots));
    }
  }

  private static Ceiling ceiling(
      Device device, int threads, ElementType type, long total, int slots)
      throws InterruptedException {
    return device.isAccelerator()
        ? new DeviceCopy(device, total * bytesPerElement(type, slots))
        : PlainLoop.fastest(type, total, slots, threads);
  }

  /** Reads of parameter, gradient and state, writes of parameter and state. */
  static long bytesPerElement(ElementType type, int slots) {
    return 3L * type.bytes() + 2L * slots * type.arithmetic().bytes();
  }

  private static Parameters parameters(Device device, ElementType type, List<Long> lengths) {
    Parameters.Builder builder = Parameters.on(device);
    for (int i = 0; i < lengths.size(); i++) {
      builder.add("tensor" + i, type, lengths.get(i));
    }
    Parameters parameters = builder.build();
    SplittableRandom random = new SplittableRandom(1);
    for (Parameter parameter : parameters) {
      Filling.fill(parameter.values(), random);
      Filling.fill(parameter.gradients(), random);
    }
    return parameters;
  }

  private static Result measure(
      Device device, DeviceTimer timer, Optimizer optimizer, Ceiling ceiling, long bytes)
      throws InterruptedException {
    int steps = stepsPerRound(device, optimizer);
    double[] stepNanos = new double[ROUNDS];
    double[] hostNanos = new double[ROUNDS];
    double[] ratios = new double[ROUNDS];
    long[] threads = stepThreads();
    double allocated = 0;
    for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      int queued = Math.min(steps, QUEUED_STEPS);
      long hostStart = System.nanoTime();
      for (int i = 0; i < queued; i++) {
        optimizer.step();
      }
      long hostEnd = System.nanoTime();
      device.synchronize();
      timer.start();
      long before = allocatedBytes(threads);
      for (int i = 0; i < steps; i++) {
        optimizer.step();
      }
      long after = allocatedBytes(threads);
      timer.stop();
      double stepMillis = timer.millis();
      timer.start();
      ceiling.run(steps);
      timer.stop();
      if (round >= 0) {
        allocated += after - before;
        stepNanos[round] = 1e6 * stepMillis / steps;
        hostNanos[round] = (double) (hostEnd - hostStart) / queued;
        ratios[round] = timer.millis() / stepMillis;
      }
    }
    double nanos = median(stepNanos);
    return new Result(
        nanos / 1e6,
        bytes / nanos,
        ceiling.name(),
        median(ratios),
        median(hostNanos) / 1e3,
        allocated / ((double) ROUNDS * steps));
  }

  private static int stepsPerRound(Device device, Optimizer optimizer) {
    long start = System.nanoTime();
    int steps = 0;
    while (System.nanoTime() - start < 4 * ROUND_NANOS || steps < 3) {
      optimizer.step();
      device.synchronize();
      steps++;
    }
    double nanosPerStep = (double) (System.nanoTime() - start) / steps;
    return (int) Math.max(1, Math.ceil(ROUND_NANOS / nanosPerStep));
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

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
