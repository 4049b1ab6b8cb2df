package io.warmstep.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Properties of randomly made schedules; the message of a failure names its seed. */
class SchedulePropertyTest {
  private static final int SCHEDULES = 300;

  private static double uniform(SplittableRandom random, double from, double to) {
    return from + (to - from) * random.nextDouble();
  }

  private static Annealing annealing(SplittableRandom random) {
    return Annealing.values()[random.nextInt(Annealing.values().length)];
  }

  private static WarmUp warmUp(SplittableRandom random) {
    return switch (random.nextInt(4)) {
      case 0 -> WarmUp.linear();
      case 1 -> WarmUp.linear(uniform(random, 1e-3, 0.9));
      case 2 -> WarmUp.exponential(uniform(random, 1e-3, 0.9));
      default -> WarmUp.cosine();
    };
  }

  /** A schedule that holds {@code end} from step {@code steps + 1} on. */
  private record Ending(Schedule schedule, double end) {}

  private static Ending ending(SplittableRandom random, double rate, long steps) {
    double minimum = rate * random.nextDouble();
    long part = steps / 4;
    return switch (random.nextInt(6)) {
      case 0 -> new Ending(Schedules.polynomial(rate, steps, uniform(random, 0.5, 4)), 0);
      case 1 -> new Ending(Schedules.cosine(rate, steps, minimum), minimum);
      case 2 -> new Ending(Schedules.linear(rate, 1, minimum / rate, steps), minimum);
      case 3 -> new Ending(Schedules.constantFactor(rate, 0.25, steps), rate);
      case 4 ->
          new Ending(
              Schedules.warmUpStableDecay(
                  rate, part, part, steps - 2 * part, annealing(random), minimum),
              minimum);
      default -> {
        double divisor = uniform(random, 1, 100);
        yield new Ending(
            Schedules.oneCycle(rate, steps)
                .pctStart(uniform(random, 0.1, 0.5))
                .annealing(annealing(random))
                .finalDivFactor(divisor)
                .threePhase(random.nextBoolean()),
            rate / 25 / divisor);
      }
    };
  }

  private static Schedule endless(SplittableRandom random, double rate, long steps) {
    double low = rate * random.nextDouble();
    long other = 1 + random.nextLong(steps);
    double gamma = uniform(random, 0.9, 1);
    return switch (random.nextInt(8)) {
      case 0 -> Schedules.constant(rate);
      case 1 -> Schedules.step(rate, steps, gamma);
      case 2 -> Schedules.multiStep(rate, gamma, other, other + steps);
      case 3 -> Schedules.exponential(rate, gamma);
      case 4 -> Schedules.cosineWarmRestarts(rate, steps, 1 + random.nextInt(3), low);
      case 5 -> Schedules.triangular2(low, rate, steps, other);
      case 6 -> Schedules.expRange(low, rate, steps, other, gamma);
      default -> Schedules.inverseSquareRoot(rate, steps);
    };
  }

  private static Schedule any(SplittableRandom random, double rate, long steps) {
    Schedule schedule =
        random.nextBoolean() ? ending(random, rate, steps).schedule : endless(random, rate, steps);
    return switch (random.nextInt(6)) {
      case 0 -> schedule.warmUp(steps, warmUp(random));
      case 1 -> schedule.untunedLinearWarmUp(uniform(random, 0.5, 0.9999));
      case 2 -> schedule.untunedExponentialWarmUp(uniform(random, 0.5, 0.9999));
      case 3 -> schedule.cycle(1 + random.nextLong(steps));
      case 4 -> schedule.then(steps, endless(random, rate, steps)).scaled(random.nextDouble());
      default -> schedule;
    };
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 20_190_815, -77})
  void ratesAreFiniteNeverNegativeAndNeverAboveTheHighest(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < SCHEDULES; i++) {
      double rate = Math.pow(10, uniform(random, -6, 1));
      long steps = 2 + random.nextInt(1000);
      Schedule schedule = any(random, rate, steps);
      for (int j = 0; j < 60; j++) {
        long step = j < 40 ? 1 + random.nextLong(4 * steps) : random.nextLong(1, Long.MAX_VALUE);
        double value = schedule.rate(step);
        assertTrue(
            value >= 0 && value <= rate * (1 + 1e-12),
            () -> "seed " + seed + ": " + schedule + " has rate " + value + " at step " + step);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {2, 424_242})
  void ratesDoNotDependOnTheOrderOfTheCalls(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < SCHEDULES; i++) {
      long steps = 2 + random.nextInt(50);
      Schedule schedule = any(random, 0.1, steps);
      double[] forward = new double[200];
      for (int step = 1; step <= forward.length; step++) {
        forward[step - 1] = schedule.rate(step);
      }
      for (int step = forward.length; step >= 1; step--) {
        assertEquals(
            forward[step - 1],
            schedule.rate(step),
            "seed " + seed + ": " + schedule + " at step " + step);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {3, 99})
  void warmUpsStartAboveZeroRiseAndMeetTheSchedule(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < SCHEDULES; i++) {
      long steps = 1 + random.nextInt(1000);
      WarmUp shape = warmUp(random);
      Schedule inner = ending(random, 0.1, 2 + random.nextInt(100)).schedule;
      Schedule schedule = inner.warmUp(steps, shape);
      String message = "seed " + seed + ": " + schedule;

      assertTrue(schedule.rate(1) > 0, message);
      for (long step = 1; step < steps; step++) {
        assertTrue(schedule.rate(step) < schedule.rate(step + 1), message + " at step " + step);
      }
      assertTrue(schedule.rate(steps) <= inner.rate(1), message);
      // No shape covers more than pi/2 of the way, or ln(1000) of the rate, in a step of 1/steps.
      double jump = inner.rate(1) - schedule.rate(steps);
      assertTrue(jump <= inner.rate(1) * 7 / steps, message + " jumps by " + jump);
      for (long step = 1; step < 20; step++) {
        assertEquals(inner.rate(step), schedule.rate(steps + step), message);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {4, 1234})
  void schedulesWithAnEndHoldTheirEndValue(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < SCHEDULES; i++) {
      double rate = Math.pow(10, uniform(random, -6, 1));
      long steps = 4 + random.nextInt(1000);
      Ending ending = ending(random, rate, steps);
      for (long step : new long[] {steps + 1, steps + 2, 10 * steps, Long.MAX_VALUE}) {
        assertEquals(
            ending.end,
            ending.schedule.rate(step),
            1e-14 * rate,
            "seed " + seed + ": " + ending.schedule + " at step " + step);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {5, 31_337})
  void phasesMeetWithoutAJump(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < SCHEDULES / 10; i++) {
      double low = 0.1 * random.nextDouble();
      long up = 50 + random.nextInt(200);
      long down = 50 + random.nextInt(200);
      Annealing smooth = random.nextBoolean() ? Annealing.LINEAR : Annealing.COSINE;
      List<Schedule> schedules =
          List.of(
              Schedules.triangular(low, 0.1, up, down),
              Schedules.triangular2(low, 0.1, up, down),
              Schedules.warmUpStableDecay(0.1, up, 70, down, smooth, low),
              Schedules.inverseSquareRoot(0.1, up),
              Schedules.cosine(0.1, down, low).warmUp(up),
              Schedules.constant(0.1).then(up, Schedules.linear(0.1, 1, 0, down)),
              Schedules.oneCycle(0.1, 2 * up).annealing(smooth),
              Schedules.oneCycle(0.1, 2 * up).annealing(smooth).threePhase(true));
      // pi/2 times the rate over the shortest phase, 0.3 * 2 * 50 - 1 steps, which is the steepest
      // that any of these gets; a jump is much more.
      double steepest = Math.PI / 2 * 0.1 / 29;
      for (Schedule schedule : schedules) {
        for (long step = 1; step < 3 * (up + down); step++) {
          double change = Math.abs(schedule.rate(step + 1) - schedule.rate(step));
          assertTrue(
              change <= steepest,
              "seed " + seed + ": " + schedule + " changes by " + change + " after step " + step);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {6, 2026})
  void callsAllocateNothing(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().getId();
    for (int i = 0; i < 200; i++) {
      Schedule schedule = any(random, 0.1, 100);
      double sum = schedule.rate(1);
      threads.getThreadAllocatedBytes(thread);
      long before = threads.getThreadAllocatedBytes(thread);
      for (long step = 1; step <= 2000; step++) {
        sum += schedule.rate(step);
      }
      long allocated = threads.getThreadAllocatedBytes(thread) - before;
      // One boxed number per call would be 32,000 bytes; the virtual machine may take some itself.
      assertTrue(
          allocated < 2_000 && sum >= 0,
          "seed " + seed + ": " + schedule + " allocated " + allocated + " bytes in 2,000 calls");
    }
  }
}
