package io.warmstep.cli.train;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.Split;
import java.util.SplittableRandom;

/** An endless stream of minibatches: the rows in a new random order for each epoch. */
public final class Minibatches {
  private final DataSet data;
  private final int batch;
  private final SplittableRandom random;
  private final float[] features;
  private final int[] labels;
  private final int[] order;
  private int next;

  /**
   * Starts before the first epoch.
   *
   * @param data the rows
   * @param batch rows of a minibatch, at least 1; an epoch's last one may be smaller
   * @param seed the seed of the order of the rows
   */
  public Minibatches(DataSet data, int batch, long seed) {
    this.data = data;
    this.batch = Math.min(batch, data.rows());
    this.random = new SplittableRandom(seed);
    this.features = new float[this.batch * data.columns()];
    this.labels = new int[this.batch];
    this.order = Split.range(data.rows());
  }

  /**
   * Fills {@link #features} and {@link #labels} with the next minibatch.
   *
   * @return how many rows it has
   */
  public int next() {
    if (next == 0) {
      Split.shuffle(order, random);
    }
    int rows = Math.min(batch, order.length - next);
    int columns = data.columns();
    for (int i = 0; i < rows; i++) {
      int row = order[next + i];
      System.arraycopy(data.features(), row * columns, features, i * columns, columns);
      labels[i] = data.labels()[row];
    }
    next = next + rows == order.length ? 0 : next + rows;
    return rows;
  }

  /**
   * Returns the features of the present minibatch.
   *
   * @return the same array each time, row-major
   */
  public float[] features() {
    return features;
  }

  /**
   * Returns the classes of the present minibatch.
   *
   * @return the same array each time
   */
  public int[] labels() {
    return labels;
  }
}
