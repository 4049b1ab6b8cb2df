package io.warmstep.schedule;

import io.warmstep.check.Arguments;

/** Cosine annealing, once or with warm restarts. */
final class Cosines {
  private Cosines() {}

  /** See {@link Schedules#cosine(double, long, double)}. */
  record Cosine(double learningRate, long totalSteps, double minimum) implements Schedule {
    Cosine {
      Require.rate("learningRate", learningRate);
      Require.steps("totalSteps", totalSteps);
      Require.minimum(minimum, learningRate);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      double left = Annealing.left(step - 1, totalSteps);
      return Annealing.COSINE.between(learningRate, minimum, left);
    }
  }

  /** See {@link Schedules#cosineWarmRestarts(double, long, long, double)}. */
  record CosineWarmRestarts(double learningRate, long firstPeriod, long multiplier, double minimum)
      implements Schedule {
    CosineWarmRestarts {
      Require.rate("learningRate", learningRate);
      Require.steps("firstPeriod", firstPeriod);
      Arguments.requireAtLeast(
          "multiplier",
          multiplier,
          1,
          "pass how many times longer each period is than the last, or 1 to keep the length");
      Require.minimum(minimum, learningRate);
    }

    @Override
    public double rate(long step) {
      Require.step(step);
      long done = step - 1;
      long period = firstPeriod;
      if (multiplier == 1) {
        done %= period;
      }
      while (done >= period) {
        done -= period;
        if (period > Long.MAX_VALUE / multiplier) {
          // The last period: no step reaches its end.
          double left = 1 - done / ((double) period * multiplier);
          return Annealing.COSINE.between(learningRate, minimum, left);
        }
        period *= multiplier;
      }
      return Annealing.COSINE.between(learningRate, minimum, Annealing.left(done, period));
    }
  }
}
