package io.warmstep.schedule;

import io.warmstep.math.Powers;

/** The shapes that {@link WarmUp} offers. */
final class WarmUps {
  private WarmUps() {}

  /** See {@link WarmUp#linear()}. */
  record Linear() implements WarmUp {
    @Override
    public double factor(long step, long steps) {
      return (double) step / steps;
    }
  }

  /** See {@link WarmUp#linear(double)}. */
  record LinearFrom(double startFactor) implements WarmUp {
    LinearFrom {
      Require.startFactor(startFactor);
    }

    @Override
    public double factor(long step, long steps) {
      return Annealing.LINEAR.between(startFactor, 1, Annealing.left(step - 1, steps));
    }
  }

  /** See {@link WarmUp#exponential(double)}. */
  record Exponential(double startFactor) implements WarmUp {
    Exponential {
      Require.startFactor(startFactor);
    }

    @Override
    public double factor(long step, long steps) {
      return Powers.power(startFactor, Annealing.left(step - 1, steps));
    }
  }

  /** See {@link WarmUp#cosine()}. */
  record Cosine() implements WarmUp {
    @Override
    public double factor(long step, long steps) {
      return Annealing.COSINE.weight((double) step / steps);
    }
  }
}
