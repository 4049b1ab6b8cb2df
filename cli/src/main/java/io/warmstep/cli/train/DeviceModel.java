package io.warmstep.cli.train;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A model whose parameters and gradients are also on a device, where an optimizer updates them. */
final class DeviceModel implements AutoCloseable {
  private final List<Mlp.Parameter> model;
  private final Parameters parameters;

  /**
   * Copies a model's parameters to a device.
   *
   * @param precision how they and their gradients are stored there
   */
  DeviceModel(Device device, Mlp model, Precision precision) {
    this.model = model.parameters();
    ParametersBuilder owned = Parameters.on(device).gradientType(precision.gradients());
    for (Mlp.Parameter parameter : this.model) {
      long[] shape = Arrays.stream(parameter.shape()).asLongStream().toArray();
      owned
          .add(parameter.name(), precision.type(), parameter.values())
          .shape(parameter.name(), shape);
    }
    parameters = owned.build();
  }

  /**
   * Begins an optimizer of these parameters.
   *
   * @param eachWeight whether every weight matrix is a group of its own
   */
  OptimizerBuilder optimizer(
      UpdateRule rule,
      LearningRate rate,
      Clipping clipping,
      Precision precision,
      boolean eachWeight) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(rate.schedule());
    precision.set(builder);
    clipping.set(builder);
    group(builder, rule, eachWeight);
    return builder;
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

  /** Copies the model's gradients to the device. */
  void writeGradients() {
    for (Mlp.Parameter parameter : model) {
      parameters.get(parameter.name()).gradients().copyFrom(parameter.gradient());
    }
  }

  /** Copies the values on the device to the model. */
  void readValues() {
    for (Mlp.Parameter parameter : model) {
      parameters.get(parameter.name()).values().copyTo(parameter.values());
    }
  }

  /**
   * Has an optimizer put other weights in the parameters' place, and the model hold them.
   *
   * @param change such as {@link Optimizer#eval}, which may change nothing
   * @param isTraining whether the parameters hold those that are trained
   */
  void exchange(Runnable change, BooleanSupplier isTraining) {
    boolean wasTraining = isTraining.getAsBoolean();
    change.run();
    if (isTraining.getAsBoolean() != wasTraining) {
      readValues();
    }
  }

  /** Frees the device memory; the model keeps its last values. */
  @Override
  public void close() {
    parameters.close();
  }
}
