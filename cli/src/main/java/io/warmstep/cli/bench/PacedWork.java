package io.warmstep.cli.bench;

/**
 * Work that is repeated often enough for a round of it to be measured. How often that is follows
 * from the rounds themselves: code gets faster as it is compiled.
 */
final class PacedWork {
  /** The least time of a round that counts. */
  static final double MIN_MILLIS = 50;

  /** Room above that for rounds that happen to be faster. */
  private static final double MARGIN = 1.3;

  private final Work work;
  private final int unit;
  private int times;

  /** What is measured. */
  interface Work {
    /**
     * Does the work a number of times.
     *
     * @return milliseconds of all together
     */
    double millis(int times) throws InterruptedException;
  }

  PacedWork(Work work) {
    this(work, 1);
  }

  /**
   * Paces work of which some repetitions do more than others.
   *
   * @param unit every so many do as much as any others: a round has a multiple of it
   */
  PacedWork(Work work, int unit) {
    this.work = work;
    this.unit = unit;
    this.times = unit;
  }

  /** How often a round repeats the work. */
  int times() {
    return times;
  }

  /**
   * Does a round.
   *
   * @return milliseconds of the work once, or NaN if the round was too short: the next is longer
   */
  double round() throws InterruptedException {
    double millis = work.millis(times);
    if (millis >= MIN_MILLIS) {
      return millis / times;
    }
    double growth = Math.max(2, MARGIN * MIN_MILLIS / Math.max(millis, MIN_MILLIS / 100));
    double units = Math.ceil(times * growth / unit);
    int most = Integer.MAX_VALUE / unit;
    times = unit * (int) Math.min(most, units);
    return Double.NaN;
  }
}
