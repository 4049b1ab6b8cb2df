package io.warmstep.math;

/**
 * Powers that have the same bits on every machine and allocate nothing. {@link Math#pow} lacks the
 * first, and {@link StrictMath#pow} the second: it makes arrays.
 */
public final class Powers {
  /** Beyond this the exponent is no longer worth counting in bits. */
  private static final double MAX_SQUARED = 0x1p53;

  private Powers() {}

  /**
   * Raises to a power: to about half an ulp for a whole exponent, to a relative 3e-13 otherwise,
   * for results that are normal numbers.
   *
   * @param base at least 0
   * @param exponent at least 0
   * @return {@code base^exponent}
   */
  public static double power(double base, double exponent) {
    if (exponent > MAX_SQUARED || exponent != Math.rint(exponent)) {
      return StrictMath.exp(exponent * StrictMath.log(base));
    }
    // Repeated squaring, each number as an unevaluated sum of two doubles (Dekker 1971).
    double resultHigh = 1;
    double resultLow = 0;
    double squareHigh = base;
    double squareLow = 0;
    for (long bits = (long) exponent; bits > 0; bits >>= 1) {
      if ((bits & 1) == 1) {
        double product = resultHigh * squareHigh;
        double rest =
            Math.fma(resultHigh, squareHigh, -product)
                + (resultHigh * squareLow + resultLow * squareHigh);
        resultHigh = product + rest;
        resultLow = product - resultHigh + rest;
      }
      double product = squareHigh * squareHigh;
      double rest = Math.fma(squareHigh, squareHigh, -product) + 2 * squareHigh * squareLow;
      squareHigh = product + rest;
      squareLow = product - squareHigh + rest;
    }
    return resultHigh;
  }
}
