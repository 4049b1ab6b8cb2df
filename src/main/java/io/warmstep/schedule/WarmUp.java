package io.warmstep.schedule;

/**
 * The shape of a warm-up that comes before a schedule: the factors on the rate of the schedule's
 * first step.
 *
 * @see Schedule#warmUp(long, WarmUp)
 */
@FunctionalInterface
public interface WarmUp {
  /**
   * The factor of one step of the warm-up.
   *
   * @param step the step, from 1 to {@code steps}
   * @param steps the length of the warm-up, at least 1
   * @return the factor on the learning rate, usually more than 0 and at most 1
   */
  double factor(long step, long steps);

  /**
   * A straight line to the full rate: factor {@code step / steps}. The first step has {@code 1 /
   * steps}, the last one 1.
   *
   * @return the shape
   */
  static WarmUp linear() {
    return new WarmUps.Linear();
  }

  /**
   * A straight line from a start factor, like PyTorch's {@code LinearLR} with an end factor of 1:
   * {@code startFactor + (1 - startFactor) (step - 1) / steps}. The first step has the start
   * factor; the first step after the warm-up is the first with factor 1.
   *
   * @param startFactor the factor of the first step, more than 0 and at most 1
   * @return the shape
   * @throws IllegalArgumentException if the start factor is out of its range
   */
  static WarmUp linear(double startFactor) {
    return new WarmUps.LinearFrom(startFactor);
  }

  /**
   * Geometric growth from a start factor: {@code startFactor^(1 - (step - 1) / steps)}. The first
   * step has the start factor, each further step the same multiple of the one before it; the first
   * step after the warm-up is the first with factor 1.
   *
   * @param startFactor the factor of the first step, more than 0 and at most 1
   * @return the shape
   * @throws IllegalArgumentException if the start factor is out of its range
   */
  static WarmUp exponential(double startFactor) {
    return new WarmUps.Exponential(startFactor);
  }

  /**
   * Half a cosine wave to the full rate: factor {@code (1 - cos(pi step / steps)) / 2}. The first
   * step has a small factor above 0, the last one 1.
   *
   * @return the shape
   */
  static WarmUp cosine() {
    return new WarmUps.Cosine();
  }
}
