package io.warmstep.cli.train;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.StepListener;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/**
 * Trains a model by the library: its parameters live on the device, gradients are copied there,
 * {@link Optimizer#step()} updates them, and the new values are copied back into the model.
 */
public final class OptimizerUpdate implements Trainer.Update, AutoCloseable {
  private final List<Mlp.Parameter> model;
  private final LearningRate rate;
  private final Parameters parameters;
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
    this.model = model.parameters();
    this.rate = rate;
    ParametersBuilder owned = Parameters.on(device);
    for (Mlp.Parameter parameter : this.model) {
      long[] shape = Arrays.stream(parameter.shape()).asLongStream().toArray();
      owned
          .add(parameter.name(), precision.type(), parameter.values())
          .shape(parameter.name(), shape);
    }
    parameters = owned.build();
    try {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate.schedule());
      precision.set(builder);
      clipping.set(builder);
      if (listener != null) {
        builder.listener(listener, 1);
      }
      group(builder, rule, listener != null);
      optimizer = builder.build();
      copyBack(); // rounded to their type
    } catch (RuntimeException | Error e) {
      parameters.close();
      throw e;
    }
  }

  /**
   * Puts what a rule of matrices is not for under AdamW: vectors, and the last layer. Its rate is
   * to the rule's as their usual ones are.
   *
   * @param eachWeight whether every weight matrix is a group of its own
   */
  private void group(OptimizerBuilder builder, UpdateRule rule, boolean eachWeight) {
    List<Mlp.Parameter> weights = model.stream().filter(each -> each.shape().length > 1).toList();
    int last = weights.size() > 1 ? weights.size() - 1 : -1;
    boolean isOfMatrices = rule.minDimensions() > 1;
    for (Mlp.Parameter parameter : model) {
      ParameterGroup group = ParameterGroup.matching(parameter.name());
      int weight = weights.indexOf(parameter);
      if (isOfMatrices && (weight < 0 || weight == last)) {
        double factor = Rules.usualRate(Adam.adamW()) / Rules.usualRate(rule);
        builder.group(group.rule(Adam.adamW()).learningRateFactor(factor));
      } else if (eachWeight && weight >= 0) {
        builder.group(group);
      }
    }
  }

  @Override
  public void accumulate() {
    copyGradients();
    optimizer.accumulate();
  }

  private void copyGradients() {
    for (Mlp.Parameter parameter : model) {
      parameters.get(parameter.name()).gradients().copyFrom(parameter.gradient());
    }
  }

  @Override
  public double step() {
    if (optimizer.accumulated() == 0) {
      copyGradients();
    }
    optimizer.step();
    copyBack();
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
    optimizer.eval();
    if (!optimizer.isTraining()) {
      copyBack();
    }
  }

  @Override
  public void train() {
    boolean wasTraining = optimizer.isTraining();
    optimizer.train();
    if (!wasTraining) {
      copyBack();
    }
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
    copyBack();
    return report;
  }

  private void copyBack() {
    for (Mlp.Parameter parameter : model) {
      Parameter updated = parameters.get(parameter.name());
      updated.values().copyTo(parameter.values());
    }
  }

  /** Frees the device memory; the model keeps its last values. */
  @Override
  public void close() {
    optimizer.close();
    parameters.close();
  }
}
