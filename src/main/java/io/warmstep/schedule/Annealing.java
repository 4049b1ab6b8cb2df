package io.warmstep.schedule;

/** The shape of a rate's path from a start value to an end value. */
public enum Annealing {
  /** A straight line: the weight of the start value is the fraction that is left. */
  LINEAR {
    @Override
    public double weight(double left) {
      return left;
    }
  },

  /**
   * Half a cosine wave: weight {@code (1 + cos(pi (1 - left))) / 2} (Loshchilov and Hutter 2017,
   * "SGDR: stochastic gradient descent with warm restarts").
   */
  COSINE {
    @Override
    public double weight(double left) {
      // The same as the cosine, but without cancellation where the weight becomes small.
      return left <= 0.5 ? squaredSine(left) : 1 - squaredSine(1 - left);
    }
  },

  /**
   * One minus the square root of the fraction that is done: weight {@code 1 - sqrt(1 - left)}
   * (Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training
   * durations").
   */
  ONE_MINUS_SQRT {
    @Override
    public double weight(double left) {
      // The same as the difference, but without cancellation where the weight becomes small.
      return left / (1 + Math.sqrt(1 - left));
    }
  };

  /**
   * The weight of the start value; the end value has one minus this weight.
   *
   * @param left the fraction of the way that is left, from 1 (at the start) to 0 (at the end)
   * @return a weight from 1 (at the start) to 0 (at the end)
   */
  public abstract double weight(double left);

  private static double squaredSine(double share) {
    // Taylor's series, for an angle of at most pi/4; its next term is below 1e-19 of the sine. From
    // JDK 21 on, StrictMath.sin allocates an array for every angle.
    double angle = Math.PI / 2 * share;
    double square = angle * angle;
    double series = 0;
    for (int k = 8; k >= 1; k--) {
      series = -square / (2 * k * (2 * k + 1)) * (1 + series);
    }
    double sine = Math.fma(angle, series, angle);
    return sine * sine;
  }

  /** The value between {@code start} and {@code end}, exact at both. */
  double between(double start, double end, double left) {
    double weight = weight(left);
    return start * weight + end * (1 - weight);
  }

  /** The fraction of {@code total} steps that is left after {@code done} of them; 0 at the end. */
  static double left(long done, long total) {
    return done < total ? (double) (total - done) / total : 0;
  }
}
