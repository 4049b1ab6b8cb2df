package io.warmstep.rule;

/**
 * How well the second moment's variance is known in the first steps (Liu et al. 2020, "On the
 * Variance of the Adaptive Learning Rate and Beyond"): the length of the simple average that is as
 * informative, and the resulting factor on the adaptive rate.
 */
final class Rectification {
  private Rectification() {}

  /**
   * The length of the average at a step, {@code rhoInf - 2 t beta2^t / (1 - beta2^t)}.
   *
   * @param power {@code beta2^step}
   */
  static double length(double beta2, double power, long step) {
    return longest(beta2) - 2.0 * step * power / (1.0 - power);
  }

  /**
   * The factor on the step size, including the root's bias correction.
   *
   * @param power {@code beta2^step}
   * @param length of the average, above 4
   */
  static double factor(double beta2, double power, double length) {
    double longest = longest(beta2);
    return Math.sqrt(
        (1.0 - power)
            * ((length - 4.0) * (length - 2.0) * longest)
            / ((longest - 4.0) * (longest - 2.0) * length));
  }

  private static double longest(double beta2) {
    return 2.0 / (1.0 - beta2) - 1.0;
  }
}
