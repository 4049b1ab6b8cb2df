package io.warmstep.cli.train;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.StepListener;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;

/**
 * Trains a model by the library: its parameters live on the device, gradients are copied there,
 * {@link Optimizer#step()} updates them, and the new values are copied back into the model.
 */
public final class OptimizerUpdate implements Trainer.Update, AutoCloseable {
  private final DeviceModel model;
  private final LearningRate rate;
  private final Optimizer optimizer;

  /**
   * Copies a model's parameters to a device and prepares their optimizer.
   *
   * @param device where steps run
   * @param model what is trained
   * @param rule how it is updated
   * @param rate the learning rate of each step
   * @param clipping how gradients are clipped
   */
  public OptimizerUpdate(
      Device device, Mlp model, UpdateRule rule, LearningRate rate, Clipping clipping) {
    this(device, model, rule, rate, clipping, Precision.FLOAT32, null);
  }

  /**
   * Copies a model's parameters to a device and prepares their optimizer.
   *
   * @param device where steps run
   * @param model what is trained
   * @param rule how it is updated
   * @param rate the learning rate of each step
   * @param clipping how gradients are clipped
   * @param precision how parameters and state are stored
   */
  public OptimizerUpdate(
      Device device,
      Mlp model,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      Precision precision) {
    this(device, model, rule, rate, clipping, precision, null);
  }

  /**
   * Copies a model's parameters to a device and prepares their optimizer, which is followed.
   *
   * @param device where steps run
   * @param model what is trained
   * @param rule how it is updated
   * @param rate the learning rate of each step
   * @param clipping how gradients are clipped
   * @param listener receives a report of each step, every weight matrix a group of its own; or null
   */
  public OptimizerUpdate(
      Device device,
      Mlp model,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      StepListener listener) {
    this(device, model, rule, rate, clipping, Precision.FLOAT32, listener);
  }

  private OptimizerUpdate(
      Device device,
      Mlp model,
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      Precision precision,
      StepListener listener) {
    this.model = new DeviceModel(device, model, precision);
    this.rate = rate;
    try {
      OptimizerBuilder builder =
          this.model.optimizer(rule, rate, clipping, precision, listener != null);
      if (listener != null) {
        builder.listener(listener, 1);
      }
      optimizer = builder.build();
      this.model.readValues(); // rounded to their type
    } catch (RuntimeException | Error e) {
      this.model.close();
      throw e;
    }
  }

  @Override
  public void accumulate() {
    model.writeGradients();
    optimizer.accumulate();
  }

  @Override
  public double step() {
    if (optimizer.accumulated() == 0) {
      model.writeGradients();
    }
    optimizer.step();
    model.readValues();
    return optimizer.learningRate();
  }

  @Override
  public void report(double trainLoss) {
    if (rate.plateau() != null) {
      rate.plateau().report(trainLoss);
    }
  }

  @Override
  public void eval() {
    model.exchange(optimizer::eval, optimizer::isTraining);
  }

  @Override
  public void train() {
    model.exchange(optimizer::train, optimizer::isTraining);
  }

  /**
   * Adds parameters, state and what the schedule remembers to a checkpoint.
   *
   * @param writer of the checkpoint, to be written before the next step
   */
  public void addTo(CheckpointWriter writer) {
    optimizer.checkpoint().addTo(writer);
  }

  /**
   * Goes on from a checkpoint, under the hyperparameters that this was made with; the model gets
   * its values.
   *
   * @param reader of the checkpoint
   * @return what was taken where there was a choice
   * @throws IOException if it cannot be read or is damaged; nothing changes
   */
  public RestoreReport restore(CheckpointReader reader) throws IOException {
    RestoreReport report = optimizer.checkpoint().keepHyperparameters().restore(reader);
    model.readValues();
    return report;
  }

  /** Frees the device memory; the model keeps its last values. */
  @Override
  public void close() {
    optimizer.close();
    model.close();
  }
}
