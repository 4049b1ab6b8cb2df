package io.warmstep.rule;

import java.util.List;

/**
 * The inputs from which a rule computes the numbers of one step: the step's number, the learning
 * rate, and the hyperparameters that a schedule moves. Reused from step to step, so that a step
 * allocates nothing.
 */
public final class StepValues {
  private final String[] names;
  private final double[] values;
  private long step;
  private double learningRate;
  private double[] kept = {};

  /**
   * Values of steps in which some hyperparameters move.
   *
   * @param names names of these hyperparameters
   */
  public StepValues(List<String> names) {
    this.names = names.toArray(new String[0]);
    this.values = new double[names.size()];
  }

  /**
   * Values of a step in which no hyperparameter moves.
   *
   * @param step number of the update, from 1
   * @param learningRate rate of this step
   */
  public StepValues(long step, double learningRate) {
    this(List.of());
    set(step, learningRate);
  }

  /**
   * Moves on to a step.
   *
   * @param step number of the update, from 1
   * @param learningRate rate of this step
   */
  public void set(long step, double learningRate) {
    this.step = step;
    this.learningRate = learningRate;
  }

  /**
   * Sets a hyperparameter that moves.
   *
   * @param index its place in the list of names
   * @param value of this step
   */
  public void set(int index, double value) {
    values[index] = value;
  }

  /**
   * Number of the update.
   *
   * @return from 1
   */
  public long step() {
    return step;
  }

  /**
   * Learning rate of this step.
   *
   * @return at least 0
   */
  public double learningRate() {
    return learningRate;
  }

  /**
   * Sets the values of {@link UpdateRule#keptNumbers()} before this step.
   *
   * @param kept the numbers, which are not copied
   */
  public void keep(double[] kept) {
    this.kept = kept;
  }

  /**
   * One of {@link UpdateRule#keptNumbers()}, with its value before this step.
   *
   * @param index from 0
   * @param initial its value before the first step
   * @return the number, or its initial value if none was set
   */
  public double kept(int index, double initial) {
    return index < kept.length ? kept[index] : initial;
  }

  /**
   * A hyperparameter in this step.
   *
   * @param name the rule's name for it, such as {@code beta1}
   * @param own the rule's own value
   * @return the schedule's value, or the rule's own
   */
  public double get(String name, double own) {
    for (int i = 0; i < names.length; i++) {
      if (names[i].equals(name)) {
        return values[i];
      }
    }
    return own;
  }
}
