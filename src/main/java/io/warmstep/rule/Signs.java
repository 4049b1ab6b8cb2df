package io.warmstep.rule;

/** Signs of numbers without a branch, which would keep a loop from being vectorized. */
final class Signs {
  private Signs() {}

  /**
   * The sign of a number: the product makes the least subnormal number more than 1.
   *
   * @param x a number
   * @return -1, 1, or x itself if it is a zero or NaN
   */
  static float sign(float x) {
    return Math.max(-1f, Math.min(1f, x * 0x1p127f * 0x1p127f));
  }

  /** The same in float64. */
  static double sign(double x) {
    return Math.max(-1.0, Math.min(1.0, x * 0x1p1023 * 0x1p1023));
  }

  /**
   * Whether a gradient agrees with a direction in its sign.
   *
   * @param direction the direction that the parameter is moved against
   * @param gradient the gradient
   * @return 1 if it does, 0 if it does not or one of them is 0, NaN if one is NaN
   */
  static float agrees(float direction, float gradient) {
    return agree(sign(direction), gradient);
  }

  /** The same of a direction's sign. */
  static float agree(float sign, float gradient) {
    return Math.max(0f, Math.min(1f, sign * gradient * 0x1p127f * 0x1p127f));
  }

  /** The same in float64. */
  static double agrees(double direction, double gradient) {
    return agree(sign(direction), gradient);
  }

  /** The same in float64. */
  static double agree(double sign, double gradient) {
    return Math.max(0.0, Math.min(1.0, sign * gradient * 0x1p1023 * 0x1p1023));
  }
}
