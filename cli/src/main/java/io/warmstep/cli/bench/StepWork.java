package io.warmstep.cli.bench;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What a measured step does.
 *
 * @param rule that updates
 * @param precision how parameters, gradients and state are stored
 * @param isFull whether the step also divides gradients by a loss scale, checks that they are
 *     finite, clips them by their norm and sets them to zero
 * @param lengths of the tensors
 * @param microBatches whose gradients the step takes the mean of, at least 1; with 1 it takes the
 *     gradients as they are
 * @param adaptiveClip the largest norm of a tensor's gradient as a share of the tensor's, or 0 for
 *     none
 * @param isCaptured whether the device takes the step in a CUDA graph
 * @param isReported whether each step and what it changed is reported to a listener
 */
public record StepWork(
    UpdateRule rule,
    Precision precision,
    boolean isFull,
    List<Long> lengths,
    int microBatches,
    double adaptiveClip,
    boolean isCaptured,
    boolean isReported) {
  /** Far enough from 1 to matter, and of no effect on bits but an exponent's. */
  static final double LOSS_SCALE = 1024;

  /** Less than the norm of what gradients are filled with, so that they are clipped. */
  static final double MAX_NORM = 1;

  /**
   * Checks.
   *
   * @param rule that updates
   * @param precision how parameters, gradients and state are stored
   * @param isFull whether the step does more than update
   * @param lengths of the tensors
   * @param microBatches whose gradients the step takes the mean of
   * @param adaptiveClip the largest norm of a tensor's gradient as a share of the tensor's
   * @param isCaptured whether the device takes the step in a CUDA graph
   * @param isReported whether each step is reported to a listener
   */
  public StepWork {
    lengths = List.copyOf(lengths);
  }

  /**
   * A step that takes gradients as they are.
   *
   * @param rule that updates
   * @param precision how parameters, gradients and state are stored
   * @param isFull whether the step does more than update
   * @param lengths of the tensors
   */
  public StepWork(UpdateRule rule, Precision precision, boolean isFull, List<Long> lengths) {
    this(rule, precision, isFull, lengths, 1, 0, false, false);
  }

  /**
   * The update alone, of parameters and gradients of one type, with state as it is computed.
   *
   * @param rule that updates
   * @param type of parameters and gradients
   * @param lengths of the tensors
   * @return the work
   */
  public static StepWork update(UpdateRule rule, ElementType type, List<Long> lengths) {
    return new StepWork(rule, Precision.of(type), false, lengths);
  }

  /** The same without what a full step does besides. */
  StepWork plain() {
    return new StepWork(rule, precision, false, lengths, 1, 0, isCaptured, isReported);
  }

  /** The same, which the host launches kernel by kernel. */
  StepWork uncaptured() {
    return new StepWork(
        rule, precision, isFull, lengths, microBatches, adaptiveClip, false, isReported);
  }

  /** The same without a report. */
  StepWork unreported() {
    return new StepWork(
        rule, precision, isFull, lengths, microBatches, adaptiveClip, isCaptured, false);
  }

  /** Whether all of it is the update of parameters, gradients and state of one type. */
  boolean isPlain(ElementType type) {
    return precision.isOf(type) && !isFull && microBatches == 1 && adaptiveClip == 0;
  }

  /** How many parameters there are in all tensors. */
  long elements() {
    return lengths.stream().mapToLong(Long::longValue).sum();
  }

  Parameters parameters(Device device) {
    ParametersBuilder builder = Parameters.on(device).gradientType(precision.gradients());
    for (int i = 0; i < lengths.size(); i++) {
      builder.add(name(i), precision.type(), lengths.get(i));
    }
    return filled(builder);
  }

  /** The same tensors, one after the other in memory that is there already. */
  Parameters parameters(Device device, Tensor values, Tensor gradients) {
    ParametersBuilder builder = Parameters.on(device);
    long from = 0;
    for (int i = 0; i < lengths.size(); i++) {
      long length = lengths.get(i);
      builder.borrow(name(i), values.slice(from, length), gradients.slice(from, length));
      from += length;
    }
    return filled(builder);
  }

  private static String name(int tensor) {
    return "tensor" + tensor;
  }

  private Parameters filled(ParametersBuilder builder) {
    for (int i = 0; i < lengths.size(); i++) {
      Matrix.shape(builder, name(i), lengths.get(i));
    }
    Parameters parameters = builder.build();
    SplittableRandom random = new SplittableRandom(1);
    for (Parameter parameter : parameters) {
      Filling.fill(parameter.values(), random);
      Filling.fill(parameter.gradients(), random);
    }
    return parameters;
  }

  /**
   * Prepares what does it once, until the optimizer is closed.
   *
   * @throws io.warmstep.CaptureRefusedException if it is to be captured and cannot be
   */
  Runnable step(Optimizer optimizer) {
    if (isCaptured) {
      return optimizer.capture()::step; // which closes with the optimizer
    }
    return () -> {
      for (int i = 0; microBatches > 1 && i < microBatches; i++) {
        optimizer.accumulate();
      }
      optimizer.step();
    };
  }

  /**
   * Checks that an optimizer does this, before a measurement allocates all, with tensors that are
   * no longer than it takes not to be small.
   *
   * @param device where steps will run
   * @throws IllegalArgumentException if it refuses an option
   */
  public void requirePossible(Device device) {
    long large = Math.max(Precision.SMALL_TENSOR, precision.smallTensor());
    List<Long> enough = lengths.stream().map(length -> Math.min(length, large)).toList();
    StepWork shorter =
        new StepWork(
            rule, precision, isFull, enough, microBatches, adaptiveClip, isCaptured, isReported);
    try (Parameters parameters = shorter.parameters(device)) {
      shorter.optimizer(parameters).close();
    }
  }

  Optimizer optimizer(Parameters parameters) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(1e-3);
    precision.set(builder);
    if (adaptiveClip > 0) {
      builder.adaptiveClip(adaptiveClip);
    }
    if (isFull) {
      builder.lossScaler(LossScaler.fixed(LOSS_SCALE)).clipNorm(MAX_NORM).zeroGradients(true);
    }
    if (isReported) {
      builder.listener(report -> {}, 1);
    }
    return builder.build();
  }
}
