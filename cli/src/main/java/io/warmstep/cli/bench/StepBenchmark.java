package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.DeviceTimer;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.SlowWeights;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Measures a step in turn with what memory allows: on the processor {@link PlainLoop}, on a GPU a
 * copy within its memory. Rounds of both, back to back, so that the ratio holds when the machine's
 * speed drifts. Where the tensors fit in caches, memory is no limit: there Adam's step on the
 * processor takes turns with {@link PlainAdam}, and others are measured alone. A full step takes
 * turns with its update alone, too, and on the processor with {@link SeparatePasses}; a captured
 * one with the same uncaptured, and a reported one with the same unreported.
 */
public final class StepBenchmark implements AutoCloseable {
  /** Rounds before those that count, at most. */
  private static final int WARM_UP_ROUNDS = 5;

  /** Steps that set gradients to zero before these are put back, few of the averages' lives. */
  private static final int STEPS_ON_ZEROS = 256;

  private static final int MAX_STEPS_PER_PERIOD = 100;

  private final int rounds;
  private final int period;
  private final StepTimer steps;
  private final DeviceTimer otherTimer;

  /** Or null. */
  private final Ceiling ceiling;

  /** The update of a full step alone, or null. */
  private final StepTimer plain;

  /** What does the same as a full step, or null. */
  private final SeparatePasses separate;

  /** The same arithmetic in a plain loop, or null. */
  private final PlainAdam arithmetic;

  /** A captured step uncaptured, or null. */
  private final StepTimer uncaptured;

  /** A reported step unreported, or null. */
  private final StepTimer unreported;

  /** What the last round of steps gave. */
  private StepTimer.Time last;

  /**
   * What was measured.
   *
   * @param rounds how many count
   * @param stepsPerRound of at least 50 ms together
   * @param millisPerStep of the rounds
   * @param gigabytesPerSecond by the fewest bytes that the rule must read and write, of 10^9
   * @param footprint the memory that a step works on
   * @param ceiling what the ceiling is, null if the footprint fits in caches
   * @param fractionOfCeiling the ceiling's time divided by the step's, null without a ceiling
   * @param hostMicrosPerStep median over the rounds of the time until {@code step()} returns: on
   *     the processor that of the step, on a GPU the host's share, before the device has done it
   * @param bytesAllocatedPerStep on the Java heap, by all threads, in the round with the fewest
   * @param others what else took turns with the step
   * @param noSeparate why separate passes took no turns with a full step, or null
   */
  public record Result(
      int rounds,
      int stepsPerRound,
      Sample millisPerStep,
      double gigabytesPerSecond,
      Footprint footprint,
      String ceiling,
      Sample fractionOfCeiling,
      double hostMicrosPerStep,
      double bytesAllocatedPerStep,
      Map<Other, Rival> others,
      String noSeparate) {}

  /** What a step can be compared with, beside the ceiling. */
  public enum Other {
    /** A full step's update alone. */
    PLAIN("its update alone"),
    /** A full step in separate passes. */
    SEPARATE("in separate passes"),
    /** A plain loop with the step's arithmetic, in caches. */
    ARITHMETIC("same, in a plain loop"),
    /** A captured step uncaptured. */
    UNCAPTURED("uncaptured"),
    /** A reported step unreported. */
    UNREPORTED("unreported");

    private final String title;

    Other(String title) {
      this.title = title;
    }

    /**
     * What it is.
     *
     * @return for people
     */
    public String title() {
      return title;
    }

    /**
     * What it is.
     *
     * @return for programs
     */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * What was measured in turn with a step.
   *
   * @param millisPerStep of the rounds
   * @param timesStep its time divided by the step's
   */
  public record Rival(Sample millisPerStep, Sample timesStep) {}

  private StepBenchmark(
      int rounds,
      int period,
      Device device,
      StepTimer steps,
      Ceiling ceiling,
      StepTimer plain,
      SeparatePasses separate,
      PlainAdam arithmetic,
      StepTimer uncaptured,
      StepTimer unreported) {
    this.rounds = rounds;
    this.period = period;
    this.steps = steps;
    this.otherTimer = device.timer();
    this.ceiling = ceiling;
    this.plain = plain;
    this.separate = separate;
    this.arithmetic = arithmetic;
    this.uncaptured = uncaptured;
    this.unreported = unreported;
  }

  @Override
  public void close() {
    otherTimer.close();
  }

  /**
   * Runs the measurement; takes a few seconds.
   *
   * @param device where
   * @param threads how many the plain loop uses, as many as the device if that is the processor
   * @param work measured
   * @param rounds how many count, at least 1
   * @return the result
   * @throws InterruptedException if the thread is interrupted
   */
  public static Result run(Device device, int threads, StepWork work, int rounds)
      throws InterruptedException {
    Footprint footprint = Footprint.of(work, Caches.bytes(device, threads));
    String noSeparate = work.isFull() ? SeparatePasses.refusal(work, device.report()) : null;
    try (Parameters parameters = work.parameters(device);
        Optimizer optimizer = work.optimizer(parameters);
        Gradients gradients = work.isFull() ? new Gradients(parameters) : null;
        StepTimer steps = timer(device, work, optimizer, gradients);
        Optimizer update = work.isFull() ? work.plain().optimizer(parameters) : null;
        StepTimer plain = timer(device, work.plain(), update, gradients);
        Optimizer twin = work.isCaptured() ? work.uncaptured().optimizer(parameters) : null;
        StepTimer uncaptured = timer(device, work.uncaptured(), twin, gradients);
        Optimizer silent = work.isReported() ? work.unreported().optimizer(parameters) : null;
        StepTimer unreported = timer(device, work.unreported(), silent, gradients);
        SeparatePasses separate =
            work.isFull() && noSeparate == null ? new SeparatePasses(device, threads, work) : null;
        Ceiling ceiling = ceiling(device, threads, work, footprint);
        PlainAdam arithmetic =
            footprint.fitsCaches() && !device.isAccelerator() && PlainAdam.canReplace(work)
                ? PlainAdam.fastest(work.elements(), threads)
                : null;
        StepBenchmark benchmark =
            new StepBenchmark(
                rounds,
                period(work),
                device,
                steps,
                ceiling,
                plain,
                separate,
                arithmetic,
                uncaptured,
                unreported)) {
      return benchmark.measure(footprint, noSeparate);
    }
  }

  /** Every so many steps do as much as any others, unless that is too many to measure. */
  private static int period(StepWork work) {
    long period = work.rule().slowWeights().map(SlowWeights::period).orElse(1L);
    return period > MAX_STEPS_PER_PERIOD ? 1 : (int) period;
  }

  /** Or null, without an optimizer. */
  private static StepTimer timer(
      Device device, StepWork work, Optimizer optimizer, Gradients gradients) {
    if (optimizer == null) {
      return null;
    }
    return gradients == null
        ? new StepTimer(device, work, optimizer)
        : new StepTimer(device, work, optimizer, gradients::restore, STEPS_ON_ZEROS);
  }

  /** Or null, in caches. */
  private static Ceiling ceiling(Device device, int threads, StepWork work, Footprint footprint)
      throws InterruptedException {
    if (footprint.fitsCaches()) {
      return null;
    }
    return device.isAccelerator()
        ? new DeviceCopy(device, footprint.traffic())
        : PlainLoop.fastest(work.precision().type(), footprint, threads);
  }

  /** Something that takes turns with the steps. */
  private final class Turns {
    final PacedWork paced;
    final double[] millis = new double[rounds];

    Turns(PacedWork.Work work) {
      this.paced = new PacedWork(work, period);
    }
  }

  private Result measure(Footprint footprint, String noSeparate) throws InterruptedException {
    Turns step = new Turns(this::stepMillis);
    Turns loop = ceiling == null ? null : new Turns(this::ceilingMillis);
    Map<Other, Turns> others = new EnumMap<>(Other.class);
    others.put(Other.PLAIN, turns(plain));
    others.put(Other.SEPARATE, separate == null ? null : new Turns(this::separateMillis));
    others.put(Other.ARITHMETIC, arithmetic == null ? null : new Turns(this::arithmeticMillis));
    others.put(Other.UNCAPTURED, turns(uncaptured));
    others.put(Other.UNREPORTED, turns(unreported));
    others.values().removeIf(Objects::isNull);
    List<Turns> all =
        Stream.concat(Stream.of(step, loop), others.values().stream())
            .filter(Objects::nonNull)
            .toList();
    double[] hosts = new double[rounds];
    LeastAllocated allocated = new LeastAllocated();
    int round = -Math.min(WARM_UP_ROUNDS, rounds);
    while (round < rounds) {
      boolean isLonger = false;
      for (Turns one : all) {
        double millis = one.paced.round();
        isLonger |= Double.isNaN(millis);
        if (round >= 0) {
          one.millis[round] = millis;
        }
      }
      if (isLonger) {
        // From here on rounds are longer: those before are not comparable.
        round = Math.min(round, 0);
        allocated.clear();
        continue;
      }
      if (round >= 0) {
        hosts[round] = last.hostMicros();
        allocated.add(last.bytesAllocated());
      }
      round++;
    }
    while (allocated.isOpen()) {
      allocated.add(steps.time(step.paced.times()).bytesAllocated());
    }
    Sample sample = Sample.of(step.millis);
    // A loop has a limited number of arrays, writes each once where a rule has two phases, and has
    // gradients of the type of the parameters.
    double scale = ceiling == null ? 1 : (double) footprint.traffic() / ceiling.traffic();
    return new Result(
        rounds,
        step.paced.times(),
        sample,
        footprint.traffic() / sample.median() / 1e6,
        footprint,
        ceiling == null ? null : ceiling.name(),
        loop == null ? null : ratios(loop, step, scale),
        Sample.of(hosts).median(),
        allocated.bytes(),
        rivals(others, step),
        noSeparate);
  }

  private Turns turns(StepTimer timer) {
    return timer == null ? null : new Turns(times -> timer.time(times).millis() * times);
  }

  private static Map<Other, Rival> rivals(Map<Other, Turns> others, Turns step) {
    Map<Other, Rival> rivals = new EnumMap<>(Other.class);
    others.forEach(
        (other, turns) ->
            rivals.put(other, new Rival(Sample.of(turns.millis), ratios(turns, step, 1))));
    return rivals;
  }

  /** Of the pairs of a round, so that a drift of the machine's speed cancels. */
  private static Sample ratios(Turns other, Turns step, double scale) {
    double[] ratios = new double[step.millis.length];
    Arrays.setAll(ratios, round -> other.millis[round] * scale / step.millis[round]);
    return Sample.of(ratios);
  }

  private double stepMillis(int times) {
    last = steps.time(times);
    return last.millis() * times;
  }

  private double ceilingMillis(int times) throws InterruptedException {
    otherTimer.start();
    ceiling.run(times);
    otherTimer.stop();
    return otherTimer.millis();
  }

  private double arithmeticMillis(int times) throws InterruptedException {
    otherTimer.start();
    arithmetic.run(times);
    otherTimer.stop();
    return otherTimer.millis();
  }

  private double separateMillis(int times) throws InterruptedException {
    double millis = 0;
    for (int i = 0; i < times; i++) {
      if (i % STEPS_ON_ZEROS == 0) {
        separate.restore();
      }
      otherTimer.start();
      separate.step();
      otherTimer.stop();
      millis += otherTimer.millis();
    }
    return millis;
  }
}
