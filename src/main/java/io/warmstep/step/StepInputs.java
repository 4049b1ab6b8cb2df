package io.warmstep.step;

/** What the host gives to one step; reused, so that a step allocates nothing. */
public final class StepInputs {
  private final double[][] scalars;
  private final double[][] gradientNumbers;
  private final boolean[] keepsParameters;
  private final long[] steps;
  private final double[] averageWeights;
  private final GradientScale gradientScale = new GradientScale();

  /**
   * Makes room for the groups of a plan.
   *
   * @param scalarCounts for each group, how many scalars its rule has
   */
  public StepInputs(int... scalarCounts) {
    scalars = new double[scalarCounts.length][];
    for (int i = 0; i < scalarCounts.length; i++) {
      scalars[i] = new double[scalarCounts[i]];
    }
    gradientNumbers = new double[scalarCounts.length][GradientNumber.COUNT];
    keepsParameters = new boolean[scalarCounts.length];
    steps = new long[scalarCounts.length];
    averageWeights = new double[scalarCounts.length];
  }

  /**
   * How many groups there are.
   *
   * @return the count
   */
  public int groups() {
    return scalars.length;
  }

  /**
   * The numbers that a group's rule computed for this step.
   *
   * @param group its index in the plan
   * @return an array to be filled before the step and read in it
   */
  public double[] scalars(int group) {
    return scalars[group];
  }

  /**
   * The numbers that a group's gradients are changed by: one for each {@link GradientNumber}, 0
   * where it changes nothing.
   *
   * @param group its index in the plan
   * @return an array to be filled before the step and read in it
   */
  public double[] gradientNumbers(int group) {
    return gradientNumbers[group];
  }

  /**
   * Whether any of these numbers changes a group's gradients.
   *
   * @param group its index in the plan
   * @return false if all are 0
   */
  public boolean changesGradients(int group) {
    boolean changes = false;
    for (double number : gradientNumbers[group]) {
      changes |= number != 0;
    }
    return changes;
  }

  /**
   * Whether a group's parameters keep their bits, as they do at a learning rate of 0, whatever the
   * rule makes of the gradients. State moves all the same, but for that of a pass without
   * gradients.
   *
   * @param group its index in the plan
   * @return true if nothing is written to its parameters
   */
  public boolean keepsParameters(int group) {
    return keepsParameters[group];
  }

  /**
   * Says whether a group's parameters keep their bits.
   *
   * @param group its index in the plan
   * @param keeps true if nothing may be written to its parameters
   */
  public void keepParameters(int group, boolean keeps) {
    keepsParameters[group] = keeps;
  }

  /**
   * What the average of a group's parameters takes of their values in this step.
   *
   * @param group its index in the plan
   * @return from 0 to 1
   */
  public double averageWeight(int group) {
    return averageWeights[group];
  }

  /**
   * Sets what the average of a group's parameters takes of their values.
   *
   * @param group its index in the plan
   * @param weight from 0 to 1
   */
  public void averageWeight(int group, double weight) {
    averageWeights[group] = weight;
  }

  /**
   * Number of a group's own step, from which random numbers follow.
   *
   * @param group its index in the plan
   * @return from 1
   */
  public long step(int group) {
    return steps[group];
  }

  /**
   * Sets the number of a group's own step.
   *
   * @param group its index in the plan
   * @param step from 1
   */
  public void step(int group, long step) {
    steps[group] = step;
  }

  /**
   * What gradients are multiplied by first.
   *
   * @return a factor to be set before the step and read in it
   */
  public GradientScale gradientScale() {
    return gradientScale;
  }
}
