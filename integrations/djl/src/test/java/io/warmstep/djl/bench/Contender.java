package io.warmstep.djl.bench;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.util.PairList;
import io.warmstep.djl.ModelStep;
import io.warmstep.djl.WarmstepOptimizer;
import java.util.List;

/** A trainer of a model that is nothing but its parameters, and one way to take its steps. */
final class Contender implements AutoCloseable {
  final String name;
  private final Model model;
  private final Trainer trainer;
  private final ModelStep modelStep;

  /** The way: {@code trainer.step()}, or a ModelStep. */
  Contender(String name, List<Long> lengths, Optimizer optimizer, boolean isModelStep) {
    this.name = name;
    model = Model.newInstance("bench", Device.cpu(), "PyTorch");
    model.setBlock(new Weights(lengths));
    trainer =
        model.newTrainer(
            new DefaultTrainingConfig(Loss.l2Loss())
                .optDevices(new Device[] {Device.cpu()})
                .optOptimizer(optimizer));
    trainer.initialize(new Shape(1));
    backward();
    modelStep = isModelStep ? ModelStep.of(trainer, (WarmstepOptimizer) optimizer) : null;
  }

  /** A gradient for every parameter; its value is of no matter to how long a step takes. */
  private void backward() {
    for (Parameter parameter : model.getBlock().getParameters().values()) {
      NDArray array = parameter.getArray();
      try (GradientCollector collector = trainer.newGradientCollector();
          NDArray product = array.mul(1e-3f);
          NDArray sum = product.sum()) {
        collector.backward(sum);
      }
    }
  }

  /** Puts the gradients that the former step zeroed back, outside the measured time. */
  void refill() {
    for (Parameter parameter : model.getBlock().getParameters().values()) {
      try (PtNDArray gradient = JniUtils.getGradient((PtNDArray) parameter.getArray())) {
        gradient.addi(1e-3f);
      }
    }
  }

  void step() {
    if (modelStep != null) {
      modelStep.step();
    } else {
      trainer.step();
    }
  }

  @Override
  public void close() {
    if (modelStep != null) {
      modelStep.close();
    }
    trainer.close();
    model.close();
  }

  private static final class Weights extends AbstractBlock {
    Weights(List<Long> lengths) {
      int i = 0;
      for (long length : lengths) {
        addParameter(
            Parameter.builder()
                .setName("w" + i++)
                .setType(Parameter.Type.WEIGHT)
                .optShape(new Shape(length))
                .optInitializer(new NormalInitializer(0.02f))
                .build());
      }
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
      return inputs;
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
      return inputShapes;
    }
  }
}
