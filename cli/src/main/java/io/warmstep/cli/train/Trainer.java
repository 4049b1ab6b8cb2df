package io.warmstep.cli.train;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.Split;

/**
 * The training loop: shuffled minibatches, an update after each or after several, an evaluation
 * after each epoch.
 */
public final class Trainer {
  private final Mlp model;
  private final Split split;
  private final int batch;
  private final int accumulate;
  private final int epochs;
  private final long seed;

  /** What turns gradients into new values: an optimizer bound to the model's parameters. */
  public interface Update {
    /**
     * Does one step: reads every {@link Mlp.Parameter#gradient}, writes every {@link
     * Mlp.Parameter#values}.
     *
     * @return the learning rate that the step used
     */
    double step();

    /**
     * Takes the gradients as those of one of several minibatches, of which the next step takes the
     * mean.
     */
    default void accumulate() {
      throw new UnsupportedOperationException("one minibatch is all that a step takes");
    }

    /**
     * Computes the gradients that the next step takes.
     *
     * @param model whose gradients
     * @param features rows times inputs, row-major
     * @param labels the class of each row
     * @param rows how many rows the minibatch has, at least 1
     * @return the mean loss of the minibatch
     */
    default double computeGradients(Mlp model, float[] features, int[] labels, int rows) {
      return model.computeGradients(features, labels, rows);
    }

    /**
     * Learns how good the model is, after each epoch. Schedules that watch a metric use it.
     *
     * @param trainLoss the mean loss over the training rows
     */
    default void report(double trainLoss) {}

    /** Gives the model the weights to evaluate with, where those that are trained are others. */
    default void eval() {}

    /** Gives the model the weights back that are trained. */
    default void train() {}
  }

  /** Hears about the progress. */
  public interface Listener {
    /**
     * A step was done.
     *
     * @param step its number, from 1
     */
    default void onStep(long step) {}

    /**
     * An epoch was done and evaluated.
     *
     * @param epoch its number, from 1
     * @param point the quality now
     */
    default void onEpoch(int epoch, History.Point point) {}
  }

  /**
   * Prepares a run with a step after each minibatch.
   *
   * @param model what to train
   * @param split what to train and test on
   * @param batch rows of a minibatch, at least 1; an epoch's last one may be smaller
   * @param epochs how often each training row is used, at least 1
   * @param seed the seed of the order of the rows
   * @throws IllegalArgumentException if a number is out of range
   */
  public Trainer(Mlp model, Split split, int batch, int epochs, long seed) {
    this(model, split, batch, 1, epochs, seed);
  }

  /**
   * Prepares a run.
   *
   * @param model what to train
   * @param split what to train and test on
   * @param batch rows of a minibatch, at least 1; an epoch's last one may be smaller
   * @param accumulate minibatches of a step, at least 1; an epoch's last one may have fewer
   * @param epochs how often each training row is used, at least 1
   * @param seed the seed of the order of the rows
   * @throws IllegalArgumentException if a number is out of range
   */
  public Trainer(Mlp model, Split split, int batch, int accumulate, int epochs, long seed) {
    if (batch < 1) {
      throw new IllegalArgumentException("--batch is " + batch + ", must be at least 1");
    }
    if (accumulate < 1) {
      throw new IllegalArgumentException("--accumulate is " + accumulate + ", must be at least 1");
    }
    if (epochs < 1) {
      throw new IllegalArgumentException("--epochs is " + epochs + ", must be at least 1");
    }
    this.model = model;
    this.split = split;
    this.batch = Math.min(batch, split.train().rows());
    this.accumulate = accumulate;
    this.epochs = epochs;
    this.seed = seed;
  }

  /**
   * Returns the number of steps that a run does.
   *
   * @return those of an epoch times epochs
   */
  public long steps() {
    return (long) stepsPerEpoch() * epochs;
  }

  /**
   * Returns the number of steps of an epoch.
   *
   * @return its minibatches divided by those of a step, rounded up
   */
  public int stepsPerEpoch() {
    return (minibatchesPerEpoch() - 1) / accumulate + 1;
  }

  private int minibatchesPerEpoch() {
    return (split.train().rows() - 1) / batch + 1;
  }

  /**
   * Trains from the model's present values.
   *
   * @param update does the steps
   * @param listener hears about the progress
   * @return what was measured: the untrained model, and the model after each epoch
   * @throws TrainingDivergedException if the loss is no longer finite
   */
  public History run(Update update, Listener listener) {
    return run(update, listener, new History());
  }

  /**
   * Trains on from what was measured so far. The model and what updates it must be as they were
   * then; the order of the rows goes on as it would have.
   *
   * @param update does the steps
   * @param listener hears about the progress from there on
   * @param history of the steps so far, empty to begin; what is measured is added
   * @return the history
   * @throws TrainingDivergedException if the loss is no longer finite
   */
  public History run(Update update, Listener listener, History history) {
    DataSet train = split.train();
    if (history.points().isEmpty()) {
      history.addEvaluation(model.evaluate(train), model.evaluate(split.test()));
    }
    int evaluated = history.points().size() - 1;
    long done = history.steps();
    Minibatches minibatches = new Minibatches(train, batch, seed);
    double rate = done == 0 ? 0 : history.rate((int) done);
    long step = 0;
    for (int epoch = 1; epoch <= epochs; epoch++) {
      int left = minibatchesPerEpoch();
      while (left > 0) {
        int count = Math.min(accumulate, left);
        left -= count;
        boolean isDone = ++step <= done;
        for (int i = 0; i < count; i++) {
          int rows = minibatches.next();
          if (isDone) {
            continue;
          }
          double loss =
              update.computeGradients(model, minibatches.features(), minibatches.labels(), rows);
          if (!Double.isFinite(loss)) {
            throw new TrainingDivergedException(history.steps() + 1, loss, rate);
          }
          if (accumulate > 1) {
            update.accumulate();
          }
        }
        if (isDone) {
          continue;
        }
        rate = update.step();
        history.addStep(rate);
        listener.onStep(history.steps());
      }
      if (epoch <= evaluated) {
        continue;
      }
      update.eval();
      Mlp.Evaluation onTrain = model.evaluate(train);
      if (!Double.isFinite(onTrain.loss())) {
        throw new TrainingDivergedException(history.steps(), onTrain.loss(), rate);
      }
      history.addEvaluation(onTrain, model.evaluate(split.test()));
      update.train();
      update.report(onTrain.loss());
      listener.onEpoch(epoch, history.last());
    }
    return history;
  }
}
