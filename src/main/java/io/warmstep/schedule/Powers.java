package io.warmstep.schedule;

/**
 * Powers that have the same bits on every machine and allocate nothing. {@link Math#pow} lacks the
 * first, and {@link StrictMath#pow} the second: it makes arrays until it is compiled.
 */
final class Powers {
  /** Up to here repeated squaring is as accurate as the exponential, and often exact. */
  private static final double MAX_SQUARED = 1024;

  private Powers() {}

  /** {@code base^exponent} to a relative 3e-13, for a base in [0, 1] and an exponent >= 0. */
  static double power(double base, double exponent) {
    if (exponent > MAX_SQUARED || exponent != (int) exponent) {
      return StrictMath.exp(exponent * StrictMath.log(base));
    }
    double result = 1;
    double square = base;
    for (int bits = (int) exponent; bits > 0; bits >>= 1) {
      if ((bits & 1) == 1) {
        result *= square;
      }
      square *= square;
    }
    return result;
  }
}
