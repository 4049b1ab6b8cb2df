package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.StepListener;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.History;
import io.warmstep.cli.train.Minibatches;
import io.warmstep.cli.train.Mlp;
import io.warmstep.cli.train.OptimizerUpdate;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * A training run that can be continued. Unlike a run of {@code train} it counts steps, not epochs,
 * and a loss that is no longer finite ends it without an exception.
 */
final class Run implements AutoCloseable {
  /** So many rows of each part are evaluated between steps. */
  static final int SAMPLE_ROWS = 512;

  private final RunSetup setup;
  private final Mlp model;
  private final OptimizerUpdate update;
  private final Minibatches minibatches;
  private final DataSet trainSample;
  private final DataSet validationSample;
  private final History history = new History();
  private double[] losses = new double[256];
  private boolean isFinite = true;

  /** Is asked around each step; for what is measured inside a run. */
  interface Probe {
    /** The gradients are there, the weights are still the old ones. */
    default void beforeUpdate(int step, Mlp model) {}

    /** The weights are the new ones. */
    default void afterUpdate(int step, Mlp model) {}
  }

  Run(Device device, RunSetup setup, Clipping clipping, StepListener listener) {
    this.setup = setup;
    model = new Mlp(setup.train().columns(), setup.hidden(), setup.train().classes(), setup.seed());
    update = new OptimizerUpdate(device, model, setup.rule(), setup.rate(), clipping, listener);
    minibatches = new Minibatches(setup.train(), setup.batch(), setup.seed());
    trainSample = setup.train().first(SAMPLE_ROWS);
    validationSample = setup.validation().first(SAMPLE_ROWS);
    evaluate();
  }

  RunSetup setup() {
    return setup;
  }

  Mlp model() {
    return model;
  }

  History history() {
    return history;
  }

  /** Whether every loss so far was finite. */
  boolean isFinite() {
    return isFinite;
  }

  /** The loss of a step's minibatch before its update, steps from 1. */
  double minibatchLoss(int step) {
    return losses[step - 1];
  }

  /**
   * Trains on.
   *
   * @param steps how many
   * @param evaluations how often the model is evaluated, evenly spaced, the last after the last
   *     step
   * @param onStep called with 1 after each step; may throw to end the run
   * @param probe looks at each step
   */
  void advance(int steps, int evaluations, IntConsumer onStep, Probe probe) {
    int done = 0;
    for (int i = 1; i <= evaluations && isFinite; i++) {
      int until = (int) ((long) steps * i / evaluations);
      if (until == done) {
        continue;
      }
      while (done < until && isFinite) {
        step(probe);
        done++;
        onStep.accept(1);
      }
      evaluate();
    }
    onStep.accept(steps - done); // what a run that diverged leaves out
  }

  void advance(int steps, int evaluations, IntConsumer onStep) {
    advance(steps, evaluations, onStep, new Probe() {});
  }

  /** One step; for loops that look at each loss. Returns the minibatch's loss before the update. */
  double step(Probe probe) {
    int rows = minibatches.next();
    double loss = model.computeGradients(minibatches.features(), minibatches.labels(), rows);
    int step = history.steps() + 1;
    if (step > losses.length) {
      losses = Arrays.copyOf(losses, losses.length * 2);
    }
    losses[step - 1] = loss;
    isFinite = Double.isFinite(loss);
    if (isFinite) {
      probe.beforeUpdate(step, model);
      history.addStep(update.step());
      probe.afterUpdate(step, model);
    }
    return loss;
  }

  private void evaluate() {
    update.eval();
    Mlp.Evaluation onTrain = model.evaluate(trainSample);
    Mlp.Evaluation onValidation = model.evaluate(validationSample);
    update.train();
    isFinite &= Double.isFinite(onTrain.loss());
    history.addEvaluation(onTrain, onValidation);
    update.report(onTrain.loss());
  }

  /** The loss of each validation row that is evaluated, now. */
  double[] validationLosses() {
    update.eval();
    double[] its = model.losses(validationSample);
    update.train();
    return its;
  }

  /** The bits of all parameters, in order, little-endian. */
  byte[] bits() {
    int elements = model.parameters().stream().mapToInt(p -> p.values().length).sum();
    ByteBuffer bits = ByteBuffer.allocate(4 * elements).order(ByteOrder.LITTLE_ENDIAN);
    for (Mlp.Parameter parameter : model.parameters()) {
      for (float value : parameter.values()) {
        bits.putInt(Float.floatToIntBits(value));
      }
    }
    return bits.array();
  }

  @Override
  public void close() {
    update.close();
  }
}
