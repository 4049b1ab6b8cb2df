package io.warmstep.cli.lab;

/**
 * How much the lab does. All budgets are counted in steps, so that a slow machine shows the same as
 * a fast one.
 *
 * @param name {@code quick}, {@code default} or {@code thorough}
 * @param seeds how many seeds the main runs have
 * @param steps of a main run
 * @param sweepSteps of a range test
 * @param rates how many rates are tried on either side of the range test's suggestion
 * @param others values of the map's second setting
 * @param fitSteps of the runs that are judged for their fit
 * @param starts random starts on each surface
 * @param grid points of a plane's side
 * @param raceRates rates that each rule is tuned over
 */
public record LabPlan(
    String name,
    int seeds,
    int steps,
    int sweepSteps,
    int rates,
    int others,
    int fitSteps,
    int starts,
    int grid,
    int raceRates) {

  /** The times a run is evaluated. */
  static final int EVALUATIONS = 20;

  /**
   * About 20 seconds on two cores.
   *
   * @return the plan
   */
  public static LabPlan quick() {
    return new LabPlan("quick", 2, 120, 120, 4, 4, 500, 40, 25, 5);
  }

  /**
   * Less than two minutes on two cores.
   *
   * @return the plan
   */
  public static LabPlan usual() {
    return new LabPlan("default", 5, 500, 300, 5, 6, 2000, 200, 41, 7);
  }

  /**
   * As long as it takes.
   *
   * @return the plan
   */
  public static LabPlan thorough() {
    return new LabPlan("thorough", 10, 2000, 1000, 6, 7, 6000, 400, 51, 9);
  }
}
