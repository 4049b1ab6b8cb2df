package io.warmstep.cli.train;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.Split;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How well the test rows can be classified without a network, by three methods that take no setting
 * and no random number. They are what a model has to beat: one that is no better than the class
 * frequencies has learned nothing, and one that is clearly worse than a simple method could have
 * learned more.
 *
 * <p>On large data sets the two methods that look at the features see some of the rows only, so
 * that they take a second or so at most.
 *
 * @param classFrequencies every row gets the frequencies of the classes among the training rows;
 *     its accuracy is that of always naming the most frequent one
 * @param softmaxRegression a linear classifier with L2 regularization of strength 1 / rows, fitted
 *     to the training rows
 * @param nearestNeighbours the classes of the nearest training rows by Euclidean distance; how many
 *     of them is chosen by leaving out one training row at a time
 */
public record Baselines(
    Mlp.Evaluation classFrequencies,
    Mlp.Evaluation softmaxRegression,
    Mlp.Evaluation nearestNeighbours) {

  private static final int MAX_TRAIN_ROWS = 2000;
  private static final int MAX_TEST_ROWS = 1000;

  /** Multiplications of one of the methods. */
  private static final double MAX_WORK = 5e8;

  private static final int ITERATIONS = 200;
  private static final int[] NEIGHBOURS = {1, 3, 10, 30, 100};

  /**
   * Fits the methods to the training rows and evaluates them on the test rows.
   *
   * @param split the data
   * @return loss and accuracy of each on the test rows
   */
  public static Baselines of(Split split) {
    double[] frequencies = frequencies(split.train());
    return new Baselines(
        classFrequencies(frequencies, split.test()),
        softmaxRegression(split),
        nearestNeighbours(split, frequencies));
  }

  /**
   * Returns the methods by what they are called, the class frequencies first.
   *
   * @return names in words, and qualities
   */
  public Map<String, Mlp.Evaluation> byName() {
    Map<String, Mlp.Evaluation> methods = new LinkedHashMap<>();
    methods.put("class frequencies", classFrequencies);
    methods.put("softmax regression", softmaxRegression);
    methods.put("nearest neighbours", nearestNeighbours);
    return methods;
  }

  /** The share of each class, as if each had been seen one time more. */
  private static double[] frequencies(DataSet train) {
    double[] shares = new double[train.classes()];
    Arrays.fill(shares, 1.0 / (train.rows() + train.classes()));
    for (int label : train.labels()) {
      shares[label] += 1.0 / (train.rows() + train.classes());
    }
    return shares;
  }

  private static Mlp.Evaluation classFrequencies(double[] frequencies, DataSet test) {
    Tally tally = new Tally();
    for (int label : test.labels()) {
      tally.add(frequencies, label);
    }
    return tally.mean();
  }

  /** Nesterov's accelerated gradient method on the regularized loss, which is convex. */
  private static Mlp.Evaluation softmaxRegression(Split split) {
    DataSet train = split.train();
    double workPerRow = 3.0 * ITERATIONS * train.columns() * train.classes();
    int rows = (int) Math.min(train.rows(), Math.max(100, MAX_WORK / workPerRow));
    rows = Math.min(rows, MAX_TRAIN_ROWS);
    Mlp model = new Mlp(train.columns(), List.of(), train.classes(), 0);
    Mlp.Parameter weight = model.parameters().get(0);
    Mlp.Parameter bias = model.parameters().get(1);
    Arrays.fill(weight.values(), 0f);
    double decay = 1.0 / rows;
    // The Hessian is at most half the mean of the squared lengths of the rows, bias included.
    double squares = 0;
    for (int i = 0; i < rows * train.columns(); i++) {
      squares += (double) train.features()[i] * train.features()[i];
    }
    double rate = 1 / (0.5 * (squares / rows + 1) + decay);
    Accelerated weights = new Accelerated(weight, decay);
    Accelerated biases = new Accelerated(bias, 0);
    for (int i = 0; i < ITERATIONS; i++) {
      model.computeGradients(train.features(), train.labels(), rows);
      double momentum = i / (i + 3.0);
      weights.step(rate, momentum);
      biases.step(rate, momentum);
    }
    return model.evaluate(split.test());
  }

  /** A parameter of the softmax regression. */
  private static final class Accelerated {
    private final Mlp.Parameter parameter;
    private final double decay;
    private final float[] before;

    Accelerated(Mlp.Parameter parameter, double decay) {
      this.parameter = parameter;
      this.decay = decay;
      before = parameter.values().clone();
    }

    void step(double rate, double momentum) {
      float[] values = parameter.values();
      for (int i = 0; i < values.length; i++) {
        double now = values[i] - rate * (parameter.gradient()[i] + decay * values[i]);
        values[i] = (float) (now + momentum * (now - before[i]));
        before[i] = (float) now;
      }
    }
  }

  private static Mlp.Evaluation nearestNeighbours(Split split, double[] frequencies) {
    DataSet train = split.train();
    DataSet test = split.test();
    int most = (int) Math.sqrt(MAX_WORK / (1.5 * train.columns()));
    int trainRows = Math.min(train.rows(), Math.min(MAX_TRAIN_ROWS, most));
    int testRows = Math.min(test.rows(), Math.min(MAX_TEST_ROWS, most / 2));
    int count = bestCount(train, trainRows, frequencies);
    Tally tally = new Tally();
    for (int row = 0; row < testRows; row++) {
      long[] near = nearest(train, trainRows, test, row);
      tally.add(shares(near, 0, count, train, frequencies), test.labels()[row]);
    }
    return tally.mean();
  }

  /** The number of neighbours that best classifies each training row by the others. */
  private static int bestCount(DataSet train, int rows, double[] frequencies) {
    Tally[] tallies = new Tally[NEIGHBOURS.length];
    Arrays.setAll(tallies, i -> new Tally());
    for (int row = 0; row < rows; row++) {
      long[] near = nearest(train, rows, train, row);
      int self = 0;
      while ((int) near[self] != row) {
        self++;
      }
      System.arraycopy(near, 0, near, 1, self);
      for (int i = 0; i < NEIGHBOURS.length; i++) {
        tallies[i].add(shares(near, 1, NEIGHBOURS[i], train, frequencies), train.labels()[row]);
      }
    }
    int best = 0;
    for (int i = 1; i < NEIGHBOURS.length; i++) {
      best = tallies[i].mean().loss() < tallies[best].mean().loss() ? i : best;
    }
    return NEIGHBOURS[best];
  }

  /** The training rows by distance, the nearest first; the row number is in the low half. */
  private static long[] nearest(DataSet train, int rows, DataSet from, int row) {
    int columns = train.columns();
    long[] order = new long[rows];
    for (int i = 0; i < rows; i++) {
      float squares = 0;
      for (int j = 0; j < columns; j++) {
        float d = train.features()[i * columns + j] - from.features()[row * columns + j];
        squares += d * d;
      }
      // Bits of floats of at least 0 are ordered as the floats are.
      order[i] = (long) Float.floatToIntBits(squares) << 32 | i;
    }
    Arrays.sort(order);
    return order;
  }

  /** The shares of the classes among neighbours, the frequencies counting as one more of them. */
  private static double[] shares(
      long[] near, int from, int count, DataSet train, double[] frequencies) {
    int to = Math.min(near.length, from + count);
    double[] shares = frequencies.clone();
    for (int i = from; i < to; i++) {
      shares[train.labels()[(int) near[i]]] += 1;
    }
    for (int label = 0; label < shares.length; label++) {
      shares[label] /= to - from + 1;
    }
    return shares;
  }

  /** Adds up predictions. */
  private static final class Tally {
    private double loss;
    private int correct;
    private int rows;

    void add(double[] shares, int label) {
      loss -= StrictMath.log(shares[label]);
      int named = 0;
      for (int i = 1; i < shares.length; i++) {
        named = shares[i] > shares[named] ? i : named;
      }
      correct += named == label ? 1 : 0;
      rows++;
    }

    Mlp.Evaluation mean() {
      return new Mlp.Evaluation(loss / rows, (double) correct / rows);
    }
  }
}
