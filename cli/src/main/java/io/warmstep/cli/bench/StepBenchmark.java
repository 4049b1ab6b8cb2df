package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Measures a step in turn with what memory allows: on the processor {@link PlainLoop}, on a GPU a
 * copy within its memory. Rounds of both, back to back, so that the ratio holds when the machine's
 * speed drifts. Where the tensors fit in caches, memory is no limit and the step is measured alone.
 */
public final class StepBenchmark implements AutoCloseable {
  /** How many rounds count. */
  public static final int ROUNDS = 15;

  private static final int WARM_UP_ROUNDS = 5;

  private final StepTimer steps;
  private final DeviceTimer ceilingTimer;

  /** Or null. */
  private final Ceiling ceiling;

  /** What the last round of steps gave. */
  private StepTimer.Time last;

  /**
   * What was measured.
   *
   * @param stepsPerRound of at least 50 ms together
   * @param millisPerStep of the rounds
   * @param gigabytesPerSecond by the fewest bytes that the rule must read and write, of 10^9
   * @param footprint the memory that a step works on
   * @param ceiling what the ceiling is, null if the footprint fits in caches
   * @param fractionOfCeiling the ceiling's time divided by the step's, null without a ceiling
   * @param hostMicrosPerStep median over the rounds of the time until {@code step()} returns: on
   *     the processor that of the step, on a GPU the host's share, before the device has done it
   * @param bytesAllocatedPerStep on the Java heap, by all threads
   */
  public record Result(
      int stepsPerRound,
      Sample millisPerStep,
      double gigabytesPerSecond,
      Footprint footprint,
      String ceiling,
      Sample fractionOfCeiling,
      double hostMicrosPerStep,
      double bytesAllocatedPerStep) {}

  private StepBenchmark(Device device, Optimizer optimizer, Ceiling ceiling) {
    this.steps = new StepTimer(device, optimizer);
    this.ceilingTimer = device.timer();
    this.ceiling = ceiling;
  }

  @Override
  public void close() {
    steps.close();
    ceilingTimer.close();
  }

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
    Footprint footprint = Footprint.of(total, type, rule, Caches.bytes(device, threads));
    try (Parameters parameters = parameters(device, type, lengths);
        Optimizer optimizer = Optimizer.of(parameters).rule(rule).learningRate(1e-3).build();
        Ceiling ceiling = ceiling(device, threads, type, footprint);
        StepBenchmark benchmark = new StepBenchmark(device, optimizer, ceiling)) {
      return benchmark.measure(footprint);
    }
  }

  /** Or null, in caches. */
  private static Ceiling ceiling(Device device, int threads, ElementType type, Footprint footprint)
      throws InterruptedException {
    if (footprint.fitsCaches()) {
      return null;
    }
    return device.isAccelerator()
        ? new DeviceCopy(device, footprint.traffic())
        : PlainLoop.fastest(type, footprint.elements(), footprint.slots(), threads);
  }

  private static Parameters parameters(Device device, ElementType type, List<Long> lengths) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < lengths.size(); i++) {
      builder.add("tensor" + i, type, lengths.get(i));
      Matrix.shape(builder, "tensor" + i, lengths.get(i));
    }
    Parameters parameters = builder.build();
    SplittableRandom random = new SplittableRandom(1);
    for (Parameter parameter : parameters) {
      Filling.fill(parameter.values(), random);
      Filling.fill(parameter.gradients(), random);
    }
    return parameters;
  }

  private Result measure(Footprint footprint) throws InterruptedException {
    PacedWork paced = new PacedWork(this::stepMillis);
    PacedWork pacedCeiling = ceiling == null ? null : new PacedWork(this::ceilingMillis);
    double[] millis = new double[ROUNDS];
    double[] hosts = new double[ROUNDS];
    double[] ratios = new double[ROUNDS];
    double allocated = 0;
    // A loop has a limited number of arrays, and goes over them once where a rule has two phases.
    double scale = ceiling == null ? 1 : (double) footprint.traffic() / ceiling.traffic();
    int round = -WARM_UP_ROUNDS;
    while (round < ROUNDS) {
      double step = paced.round();
      double loop = pacedCeiling == null ? 0 : pacedCeiling.round();
      if (Double.isNaN(step) || Double.isNaN(loop)) {
        // From here on rounds are longer: those before are not comparable.
        round = Math.min(round, 0);
        allocated = 0;
        continue;
      }
      if (round >= 0) {
        millis[round] = step;
        ratios[round] = loop * scale / step;
        hosts[round] = last.hostMicros();
        allocated += last.bytesAllocated();
      }
      round++;
    }
    Sample sample = Sample.of(millis);
    return new Result(
        paced.times(),
        sample,
        footprint.traffic() / sample.median() / 1e6,
        footprint,
        ceiling == null ? null : ceiling.name(),
        ceiling == null ? null : Sample.of(ratios),
        Sample.of(hosts).median(),
        allocated / ROUNDS);
  }

  private double stepMillis(int times) {
    last = steps.time(times);
    return last.millis() * times;
  }

  private double ceilingMillis(int times) throws InterruptedException {
    ceilingTimer.start();
    ceiling.run(times);
    ceilingTimer.stop();
    return ceilingTimer.millis();
  }
}
