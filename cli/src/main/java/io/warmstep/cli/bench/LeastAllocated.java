package io.warmstep.cli.bench;

/**
 * What a step allocates, by the round that allocates least: while the JVM replaces code by compiled
 * code it allocates a few objects of its own, now and then, and they are no step's. A round that
 * allocates nothing ends the search, so that it takes longer only for steps that do allocate.
 */
final class LeastAllocated {
  /** Rounds after which steps are believed to allocate. */
  static final int ROUNDS = 10;

  private double least = Double.POSITIVE_INFINITY;
  private int rounds;

  /**
   * Takes note of a round.
   *
   * @param bytes of one of its steps
   */
  void add(double bytes) {
    least = Math.min(least, bytes);
    rounds++;
  }

  /** Forgets all rounds. */
  void clear() {
    least = Double.POSITIVE_INFINITY;
    rounds = 0;
  }

  /** Whether another round may allocate less. */
  boolean isOpen() {
    return least > 0 && rounds < ROUNDS;
  }

  /** Bytes of a step. */
  double bytes() {
    return least;
  }
}
