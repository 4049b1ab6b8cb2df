package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/** A small model with a trainer; equal seeds give equal models. */
final class Toy implements AutoCloseable {
  static final int INPUTS = 8;
  static final int CLASSES = 3;
  private static final int ROWS = 12;

  final Model model;
  Trainer trainer;

  Toy(Optimizer optimizer) {
    this(optimizer, DataType.FLOAT32, block());
  }

  Toy(Optimizer optimizer, DataType type, Block block) {
    model = Model.newInstance("toy", Device.cpu(), "PyTorch");
    model.setDataType(type);
    model.setBlock(block);
    train(optimizer);
    Engine.getInstance().setRandomSeed(1);
    trainer.initialize(new Shape(ROWS, INPUTS));
  }

  static SequentialBlock block() {
    return new SequentialBlock()
        .add(Linear.builder().setUnits(16).build())
        .add(Activation::relu)
        .add(Linear.builder().setUnits(CLASSES).build());
  }

  /** A new trainer of the same model. */
  Trainer train(Optimizer optimizer) {
    trainer =
        model.newTrainer(
            new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
                .optDevices(new Device[] {Device.cpu()})
                .optOptimizer(optimizer));
    return trainer;
  }

  /** Forward and backward on data of a seed; the loss. */
  float backward(int seed) {
    try (NDManager manager = trainer.getManager().newSubManager();
        GradientCollector collector = trainer.newGradientCollector()) {
      SplittableRandom random = new SplittableRandom(seed);
      float[] inputs = new float[ROWS * INPUTS];
      float[] labels = new float[ROWS];
      for (int i = 0; i < inputs.length; i++) {
        inputs[i] = (float) (random.nextDouble() * 2 - 1);
      }
      for (int i = 0; i < ROWS; i++) {
        labels[i] = inputs[i * INPUTS] > 0 ? inputs[i * INPUTS + 1] > 0 ? 2 : 1 : 0;
      }
      NDArray data =
          manager.create(inputs, new Shape(ROWS, INPUTS)).toType(model.getDataType(), false);
      NDArray loss =
          trainer
              .getLoss()
              .evaluate(new NDList(manager.create(labels)), trainer.forward(new NDList(data)));
      collector.backward(loss);
      return loss.toType(DataType.FLOAT32, false).getFloat();
    }
  }

  Map<String, Parameter> parameters() {
    return BlockParameters.named(model.getBlock());
  }

  NDArray array(String name) {
    return parameters().get(name).getArray();
  }

  static double[] doubles(NDArray array) {
    try (NDArray wide = array.toType(DataType.FLOAT64, true)) {
      return wide.toDoubleArray();
    }
  }

  double[] values(String name) {
    return doubles(array(name));
  }

  /** The gradient that backward left, or null. */
  double[] gradients(String name) {
    try (PtNDArray gradients = JniUtils.getGradient((PtNDArray) array(name))) {
      return gradients == null ? null : doubles(gradients);
    }
  }

  Map<String, double[]> allValues() {
    Map<String, double[]> all = new LinkedHashMap<>();
    parameters().keySet().forEach(name -> all.put(name, values(name)));
    return all;
  }

  @Override
  public void close() {
    trainer.close();
    model.close();
  }
}
