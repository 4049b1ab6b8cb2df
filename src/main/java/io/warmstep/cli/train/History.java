package io.warmstep.cli.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** What a training run measured: the learning rate of each step, and evaluations between steps. */
public final class History {
  private final List<Point> points = new ArrayList<>();
  private double[] rates = new double[1024];
  private int steps;

  /**
   * An evaluation on both sets.
   *
   * @param step the number of steps done before it; 0 for the untrained model
   * @param train loss and accuracy on the training rows
   * @param test loss and accuracy on the test rows
   */
  public record Point(long step, Mlp.Evaluation train, Mlp.Evaluation test) {}

  /**
   * Records that a step was done.
   *
   * @param rate the learning rate it used
   */
  public void addStep(double rate) {
    if (steps == rates.length) {
      rates = Arrays.copyOf(rates, steps * 2);
    }
    rates[steps++] = rate;
  }

  /**
   * Records an evaluation after the steps recorded so far.
   *
   * @param train loss and accuracy on the training rows
   * @param test loss and accuracy on the test rows
   */
  public void addEvaluation(Mlp.Evaluation train, Mlp.Evaluation test) {
    points.add(new Point(steps, train, test));
  }

  /**
   * Returns the number of steps recorded.
   *
   * @return the steps
   */
  public int steps() {
    return steps;
  }

  /**
   * Returns the learning rate of a step.
   *
   * @param step the step, from 1 to {@link #steps()}
   * @return its rate
   */
  public double rate(int step) {
    if (step < 1 || step > steps) {
      throw new IndexOutOfBoundsException("step is " + step + ", recorded are 1 to " + steps);
    }
    return rates[step - 1];
  }

  /**
   * Returns the evaluations in order.
   *
   * @return an unmodifiable view
   */
  public List<Point> points() {
    return Collections.unmodifiableList(points);
  }

  /**
   * Returns the last evaluation.
   *
   * @return the final quality
   * @throws IllegalStateException if nothing was evaluated
   */
  public Point last() {
    if (points.isEmpty()) {
      throw new IllegalStateException("nothing was evaluated yet");
    }
    return points.get(points.size() - 1);
  }
}
