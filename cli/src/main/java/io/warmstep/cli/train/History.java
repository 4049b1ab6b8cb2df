package io.warmstep.cli.train;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.CorruptCheckpointException;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.checkpoint.TensorSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** What a training run measured: the learning rate of each step, and evaluations between steps. */
public final class History {
  private static final String RATES = "train.rates";
  private static final String POINTS = "train.points";
  private static final int COLUMNS = 5;

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

  /**
   * Adds all of it to a checkpoint: {@code train.rates}, and {@code train.points} with a row of
   * step, training loss and accuracy, test loss and accuracy for each evaluation.
   *
   * @param writer of the checkpoint
   */
  public void addTo(CheckpointWriter writer) {
    double[] table = new double[points.size() * COLUMNS];
    for (int i = 0; i < points.size(); i++) {
      Point point = points.get(i);
      int at = i * COLUMNS;
      table[at] = point.step();
      table[at + 1] = point.train().loss();
      table[at + 2] = point.train().accuracy();
      table[at + 3] = point.test().loss();
      table[at + 4] = point.test().accuracy();
    }
    writer.tensor(
        POINTS,
        ElementFormat.F64,
        List.of((long) points.size(), (long) COLUMNS),
        TensorSource.of(table));
    writer.tensor(
        RATES,
        ElementFormat.F64,
        List.of((long) steps),
        TensorSource.of(Arrays.copyOf(rates, steps)));
  }

  /**
   * Takes what a checkpoint has of a run.
   *
   * @param reader of a checkpoint that {@link #addTo} was used for
   * @return the history up to the checkpoint
   * @throws CorruptCheckpointException if it has no such tensors
   * @throws IOException if it cannot be read
   */
  public static History of(CheckpointReader reader) throws IOException {
    double[] table = read(reader, POINTS);
    History history = new History();
    int row = 0;
    double[] rates = read(reader, RATES);
    for (int step = 0; step <= rates.length; step++) {
      for (; row < table.length && table[row] == step; row += COLUMNS) {
        history.addEvaluation(
            new Mlp.Evaluation(table[row + 1], table[row + 2]),
            new Mlp.Evaluation(table[row + 3], table[row + 4]));
      }
      if (step < rates.length) {
        history.addStep(rates[step]);
      }
    }
    if (row != table.length || table.length == 0) {
      throw new CorruptCheckpointException(reader.source(), "its evaluations are not in order");
    }
    return history;
  }

  private static double[] read(CheckpointReader reader, String name) throws IOException {
    TensorEntry entry = reader.tensor(name).orElse(null);
    if (entry == null
        || entry.format() != ElementFormat.F64
        || entry.count() > Integer.MAX_VALUE - 8
        || (name.equals(POINTS) && entry.count() % COLUMNS != 0)) {
      throw new CorruptCheckpointException(reader.source(), "it has no " + name + " of a run");
    }
    double[] values = new double[(int) entry.count()];
    reader.read(entry, 0, values, 0, values.length);
    return values;
  }
}
